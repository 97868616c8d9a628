package adaptertest

import (
	"net"
	"os"

	"github.com/haypile/haypile/adapters"
)

// leftOpen keeps descriptors from the garbage collector, which would close them.
var leftOpen []*os.File

func init() {
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
