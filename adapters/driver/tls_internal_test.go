package driver

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/haypile/haypile/internal/testcert"
)

// tap remembers what was written, and counts what was read.
type tap struct {
	net.Conn
	sent bytes.Buffer
	read int
	off  bool // nothing is passed on any more
}

func (c *tap) Write(p []byte) (int, error) {
	c.sent.Write(p)
	if c.off {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read += n
	return n, err
}

// records is a client whose handshake is done, and what a server then sent it:
// the session tickets of TLS 1.3, n bytes in several records, and its
// close_notify.
func records(t *testing.T, version uint16, n int) (client *secured, ciphertext, plain []byte) {
	t.Helper()
	authority := testcert.Must(t)
	dialled, accepted := connected(t)
	ours, theirs := &tap{Conn: dialled}, &tap{Conn: accepted}
	server := tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{authority.Pair(t, "server")}, MaxVersion: version, MinVersion: version})
	pipe := &memoryPipe{Conn: ours}
	client = &secured{tls: tls.Client(pipe, &tls.Config{RootCAs: authority.Pool(), ServerName: "localhost"}), pipe: pipe}
	served := make(chan error, 1)
	go func() { served <- server.Handshake() }()
	if err := errors.Join(client.tls.Handshake(), <-served); err != nil {
		t.Fatal(err)
	}
	pipe.switched, theirs.off = true, true
	for i := range n {
		plain = append(plain, byte(i*i>>3))
	}
	for rest := plain; len(rest) > 0; {
		k := min(len(rest), 1+len(rest)/3)
		if _, err := server.Write(rest[:k]); err != nil {
			t.Fatal(err)
		}
		rest = rest[k:]
	}
	if err := server.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	return client, theirs.sent.Bytes()[ours.read:], plain
}

// connected is a TCP connection's two ends.
func connected(t *testing.T) (dialled, accepted net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if dialled, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close() })
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return dialled, accepted
}

// crypto/tls must keep a part of a record when there is nothing to read, and go
// on later: all of this rests on it.
func TestRecordsMayComeByteByByte(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		for _, size := range []int{1, 7, 1000, 1 << 20} {
			client, ciphertext, plain := records(t, version, 50_000)
			var got []byte
			var err error
			for len(ciphertext) > 0 && err == nil {
				k := min(size, len(ciphertext))
				err = client.receive(ciphertext[:k:k], func(p []byte) { got = append(got, p...) })
				ciphertext = ciphertext[k:]
			}
			if err != io.EOF || !bytes.Equal(got, plain) {
				t.Errorf("%s, %d bytes at a time: %d of %d bytes came, %v", name, size, len(got), len(plain), err)
			}
		}
	}
}

func TestForgedRecordsEndTheConnection(t *testing.T) {
	client, ciphertext, _ := records(t, tls.VersionTLS12, 1000)
	ciphertext[100] ^= 1
	err := client.receive(ciphertext, func([]byte) { t.Error("something was delivered") })
	if err == nil || err == io.EOF {
		t.Errorf("received with %v", err)
	}
	if len(client.pipe.out) == 0 {
		t.Error("the peer is not told")
	}
	if err := client.receive(ciphertext, func([]byte) {}); err == nil {
		t.Error("received more afterwards")
	}
}
