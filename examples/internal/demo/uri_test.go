package demo

import "testing"

func TestAURINamesOneHostUserAndVirtualHost(t *testing.T) {
	c, err := Config("amqp://anna:hunter2@[::1]/shop%2Feast")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Mechanisms[0].Response()
	if err != nil {
		t.Fatal(err)
	}
	if c.Host != "[::1]:5672" || c.VirtualHost != "shop/east" || answer.Reveal() != "\x00anna\x00hunter2" {
		t.Errorf("host %q, virtual host %q, answer %q", c.Host, c.VirtualHost, answer.Reveal())
	}
}

func TestAURIThatNeedsADriverIsRefused(t *testing.T) {
	for _, uri := range []string{"http://a/", "amqps://a/", "amqp://a,b/", "amqp://%2Ftmp%2Fsocket/"} {
		if c, err := Config(uri); err == nil {
			t.Errorf("%s is %q", uri, c.Host)
		}
	}
}
