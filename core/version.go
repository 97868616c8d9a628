package core

// Version is the library's version, as the broker is told in the client
// properties.
const Version = "0.1.0"
