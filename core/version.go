package core

// Version is the library's version, as the peer is told in the connection's
// properties. Between releases it is the next one's with "-dev" behind it, which by
// Semantic Versioning comes before that.
const Version = "0.1.0-dev"
