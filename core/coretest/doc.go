// Package coretest tests what is built on package core, without a socket and
// without a clock of its own. It has three parts:
//
//   - Recorder writes down what a Conn tells its handlers, line by line.
//   - Pair joins a client and a server by a virtual network with a virtual
//     clock: latency, cuts at any byte, peers that stop reading.
//   - RunScripts plays conversations from text files, in which the test writes
//     what the user and the peer do, and the machine's answers are recorded.
//
// A script reads like this. Lines at the margin are given, indented ones are the
// answers, written by running the test with its update flag and reviewed as a
// diff:
//
//	client
//	open
//	  told open
//	user open-channel
//	  -> 1 channel.open
//	user 1 queue.declare queue=jobs durable
//	  -> 1 queue.declare queue=jobs durable
//	peer 1 channel.open-ok
//	peer 1 queue.declare-ok queue=jobs message-count=3
//	  told 1 queue.declare-ok queue=jobs message-count=3
//
// See RunScripts for all commands.
package coretest
