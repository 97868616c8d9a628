package broker_test

import (
	"fmt"
	"strings"

	"github.com/haypile/haypile/broker"
)

func ExampleNewUser() {
	u := broker.NewUser("app", "secret")
	u.Permissions = map[string]broker.Permission{"/": {Configure: `^app\.`, Write: ".*", Read: ".*"}}
	fmt.Println(u.Name, u.Permissions)
	// Output: app map[/:{^app\. .* .*}]
}

func ExampleReadDefinitions() {
	d, err := broker.ReadDefinitions(strings.NewReader(`{
		"users": [{"name": "app", "password": "secret", "tags": ["monitoring"]}],
		"vhosts": [{"name": "shop"}],
		"permissions": [{"user": "app", "vhost": "shop", "configure": "", "write": ".*", "read": ".*"}]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, u := range d.Users {
		fmt.Println(u.Name, u.Tags, u.Permissions)
	}
	// Output: app [monitoring] map[shop:{ .* .*}]
}
