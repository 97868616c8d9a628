package broker

import "testing"

func TestPermissionsMatchNames(t *testing.T) {
	u := NewUser("app", "x")
	u.Permissions = map[string]Permission{
		"/":     {Configure: "^c", Write: "", Read: "r$"},
		"whole": {Configure: "^(a|b)$", Write: "x", Read: "^$"},
		"all":   FullPermission(),
	}
	app := mustUsers(t, u).authenticate("app", "x")
	for _, c := range []struct {
		name   string
		vhost  string
		kind   permission
		entity string
		want   bool
	}{
		{"an anchored start", "/", mayConfigure, "c1", true},
		{"another start", "/", mayConfigure, "x", false},
		{"an anchored end", "/", mayRead, "other", true},
		{"another end", "/", mayRead, "c1", false},
		{"an empty pattern and a name", "/", mayWrite, "c1", false},
		{"an empty pattern and the default exchange", "/", mayWrite, "amq.default", false},
		{"an empty pattern and the empty name", "/", mayWrite, "", true},
		{"a whole name", "whole", mayConfigure, "b", true},
		{"more than the whole name", "whole", mayConfigure, "bb", false},
		{"a part in the middle", "whole", mayWrite, "axb", true},
		{"a pattern that allows nothing", "whole", mayRead, "q", false},
		{"everything", "all", mayRead, "q", true},
		{"everything and the empty name", "all", mayWrite, "", true},
		{"a virtual host without permissions", "none", mayRead, "q", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := app.may(c.vhost, c.kind, c.entity); got != c.want {
				t.Errorf("%s of %q in %q: %v", c.kind, c.entity, c.vhost, got)
			}
		})
	}
}

func TestVirtualHostOpensToWhoHasPermissionsThere(t *testing.T) {
	u := NewUser("app", "x")
	u.Permissions = map[string]Permission{"v": {}}
	app := mustUsers(t, u).authenticate("app", "x")
	if !app.mayOpen("v") || app.mayOpen("/") {
		t.Error("permissions that allow nothing open the virtual host, none do not")
	}
}
