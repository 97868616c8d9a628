// Command gen makes zz_methods.go of amqp.def, the definition of all classes and
// methods. "go generate" runs it in core/wire, where both are:
//
//	cd core/wire && go generate
//
// To add a method, describe it in amqp.def, whose head explains the grammar, and
// generate. A test fails while the two files differ.
package main
