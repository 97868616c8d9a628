module example.com/bring-your-loop

go 1.26

require (
	github.com/cloudwego/netpoll v0.7.2
	github.com/haypile/haypile v0.0.0
)

require (
	github.com/bytedance/gopkg v0.1.1 // indirect
	github.com/cloudwego/gopkg v0.1.4 // indirect
)

replace github.com/haypile/haypile => ../../
