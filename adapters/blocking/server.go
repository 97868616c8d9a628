package blocking

import "github.com/haypile/haypile/core"

// ServerProperties is what the broker said about itself when the connection was
// made, the latest time: product, version, platform, capabilities and more. Each
// call returns a table of its own.
func (c *Conn) ServerProperties() Table { return c.server().PeerProperties() }

// HasCapability tells whether the broker announced the capability, such as
// "publisher_confirms", "consumer_priorities" or "direct_reply_to".
func (c *Conn) HasCapability(name string) bool { return c.server().HasCapability(name) }

// server is the latest connection that was open. What the peer said does not change
// after that, and may be read anywhere.
func (c *Conn) server() *core.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}
