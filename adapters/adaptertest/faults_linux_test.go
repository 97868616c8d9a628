package adaptertest

import (
	"net"
	"os"

	"github.com/haypile/haypile/adapters"
)

// leftOpen keeps descriptors from the garbage collector, which would close them.
var leftOpen []*os.File

func init() {
	faults["breaks down when descriptors run out"] = faulty{
		subtest: "no_descriptor_left",
		says:    ": OnOpen",
		waits:   true,
		attach: func(l adapters.Loop, conn net.Conn, h adapters.Handler) error {
			f, err := os.Open(os.DevNull)
			if err != nil {
				return conn.Close() // and that is all
			}
			f.Close()
			return l.Attach(conn, h)
		},
	}
	faults["leaves descriptors"] = faulty{
		subtest: "the_peer's_end",
		says:    "files are open",
		waits:   true,
		attach: func(l adapters.Loop, conn net.Conn, h adapters.Handler) error {
			f, err := conn.(*net.TCPConn).File()
			if err != nil {
				return err
			}
			leftOpen = append(leftOpen, f)
			return l.Attach(conn, h)
		},
	}
}
