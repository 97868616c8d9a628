//go:build unix && !linux

package descriptor

// gathers tells that Write is one system call however many pieces there are.
const gathers = false

// Write is Write of all pieces. The standard library has no writev here that may be used.
func (v *Vector) Write(fd int) (int, error) {
	written := 0
	for _, p := range v.pieces[:v.n] {
		n, err := Write(fd, p)
		if err != nil && written == 0 {
			return 0, err
		}
		written += n
		if err != nil || n < len(p) {
			break
		}
	}
	return written, nil
}
