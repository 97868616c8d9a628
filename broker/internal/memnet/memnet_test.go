package memnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/broker/internal/memnet"
)

// connect is both ends of a connection through a listener.
func connect(t *testing.T) (client, server net.Conn) {
	t.Helper()
	ln := memnet.Listen("broker")
	defer ln.Close()
	client, err := ln.DialContext(t.Context(), "tcp", "anywhere:1")
	if err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

func TestBytesWaitForTheReaderAndTheEndFollowsThem(t *testing.T) {
	client, server := connect(t)
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if all, err := io.ReadAll(server); err != nil || string(all) != "hello" {
		t.Errorf("the peer reads %q, %v", all, err)
	}
	if _, err := server.Write([]byte("late")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("writing to an end that is closed: %v", err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading at an end that is closed: %v", err)
	}
}

func TestAWriterWaitsForAReaderThatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t)
		sent := bytes.Repeat([]byte("0123456789"), 200_000)
		done := make(chan error, 1)
		go func() {
			_, err := client.Write(sent)
			client.Close()
			done <- err
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Error("two megabytes were taken that nobody reads")
		default:
		}
		got, err := io.ReadAll(server)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes of %d arrived, or others: %v", len(got), len(sent), err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestDeadlinesEndWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connect(t)
		defer server.Close()
		begin := time.Now()
		client.SetDeadline(begin.Add(time.Hour))
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		if waited := time.Since(begin); waited != time.Hour {
			t.Errorf("it waited %s", waited)
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
		client.SetDeadline(time.Time{})
		if _, err := client.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		client.Close()
	})
}

func TestAListenerThatIsClosedRefuses(t *testing.T) {
	ln := memnet.Listen("broker")
	waiting, err := ln.DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if _, err := waiting.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("who was not accepted reads %v", err)
	}
	if _, err := ln.DialContext(t.Context(), "", ""); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := memnet.Listen("").DialContext(ctx, "", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("dial with a context that has ended: %v", err)
	}
}

func TestBytesStayInOrderWhoeverIsFaster(t *testing.T) {
	client, server := connect(t)
	const total = 3 << 20
	go func() {
		for n := 0; n < total; {
			p := make([]byte, min(1+n%7001, total-n))
			for i := range p {
				p[i] = byte((n + i) * 31 >> 3)
			}
			client.Write(p) // the other end sees what is missing
			n += len(p)
		}
		client.Close()
	}()
	n, p := 0, make([]byte, 5003)
	for {
		k, err := server.Read(p[:1+n%len(p)])
		for i := range k {
			if p[i] != byte((n+i)*31>>3) {
				t.Fatalf("byte %d is another one", n+i)
			}
		}
		n += k
		if err != nil {
			break
		}
	}
	if n != total {
		t.Errorf("%d bytes of %d arrived", n, total)
	}
}

// BenchmarkMessages is 256 bytes there and back.
func BenchmarkMessages(b *testing.B) {
	client, server := memnet.Pipe("a", "b")
	go io.Copy(server, server)
	b.ReportAllocs()
	p := make([]byte, 256)
	for b.Loop() {
		client.Write(p)
		io.ReadFull(client, p)
	}
	client.Close()
}
