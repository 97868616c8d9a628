package core

// overwrite fills p with bytes that no frame begins with.
func overwrite(p []byte) {
	for i := range p {
		p[i] = 0xDB
	}
}
