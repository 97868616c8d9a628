package sink

import (
	"encoding/binary"
	"math"
)

// Properties are the seven properties and five headers of a message that has
// some, as a content header has them: the flags and the fields.
func Properties() []byte {
	const (
		contentType   = 1 << 15
		headers       = 1 << 13
		deliveryMode  = 1 << 12
		correlationID = 1 << 10
		replyTo       = 1 << 9
		messageID     = 1 << 7
		kind          = 1 << 5
		appID         = 1 << 3
	)
	b := binary.BigEndian.AppendUint16(nil, contentType|headers|deliveryMode|correlationID|replyTo|messageID|kind|appID)
	b = shortString(b, "application/json")
	b = longString(b, string(table()))
	b = append(b, 2)
	for _, s := range []string{"abcdefgh", "replies", "0123456789", "order.created", "bench"} {
		b = shortString(b, s)
	}
	return b
}

func table() []byte {
	t := append(shortString(nil, "a"), 'I', 0, 0, 0, 1)
	t = longString(append(shortString(t, "b"), 'S'), "two")
	t = append(shortString(t, "c"), 't', 1)
	t = binary.BigEndian.AppendUint64(append(shortString(t, "d"), 'd'), math.Float64bits(4.5))
	return longString(append(shortString(t, "e"), 'S'), "five")
}
