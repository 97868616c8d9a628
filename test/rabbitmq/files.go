package rabbitmq

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/haypile/haypile/internal/testcert"
)

// outputFile gets what epmd and the server print.
const outputFile = "output"

// logFile is the server's log.
const logFile = "log/rabbit.log"

// install is where the programs are, of which erl_call may be missing.
type install struct{ server, ctl, epmd, call string }

// scripts are where Debian and the generic packages have the server's own
// scripts. Those on the PATH of a Debian machine change to another user first,
// so they come last.
var scripts = []string{"/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/usr/local/opt/rabbitmq/sbin"}

func findInstall() (install, error) {
	in := install{find("rabbitmq-server"), find("rabbitmqctl"), find("epmd"), find("erl_call")}
	if in.server == "" || in.ctl == "" || in.epmd == "" || !canWatch {
		return in, fmt.Errorf("rabbitmq: no RabbitMQ here to test against: run test/run, install the package rabbitmq-server, or set AMQP_URL to a broker of yours")
	}
	return in, nil
}

func find(program string) string {
	for _, dir := range scripts {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return ""
	}
	return path
}

type ports struct{ amqp, tls, http, dist, epmd int }

// freePorts finds ports that are free now. Somebody else may take one before
// the node does; then the node is started anew with others.
func freePorts() (ports, error) {
	var p ports
	for _, port := range []*int{&p.amqp, &p.tls, &p.http, &p.dist, &p.epmd} {
		l, err := listenLow()
		if err != nil {
			return p, err
		}
		defer l.Close()
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

// listenLow listens below the ports that a system gives to who asks for any: of
// those, others might have a node's while it restarts.
func listenLow() (net.Listener, error) {
	for try := 1; ; try++ {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(22_000)))
		if err == nil || try == 100 {
			return l, err
		}
	}
}

func (n *Node) path(name string) string { return filepath.Join(n.dir, name) }

func (n *Node) writeFiles() error {
	config := append([]string{
		"listeners.tcp.default = 127.0.0.1:" + fmt.Sprint(n.ports.amqp),
		"loopback_users = none",
		"log.file.level = info",
		"handshake_timeout = 60000", // milliseconds; machines that run tests are busy
	}, n.config...)
	var plugins []string
	if n.management {
		plugins = append(plugins, "rabbitmq_management")
		config = append(config,
			"management.tcp.ip = 127.0.0.1",
			"management.tcp.port = "+fmt.Sprint(n.ports.http),
			"collect_statistics_interval = 250", // milliseconds; a test that waits for statistics need not wait long
		)
	}
	if n.tls {
		authority, err := testcert.New()
		if err != nil {
			return err
		}
		for _, name := range []string{"server", User} {
			if err := authority.Files(n.dir, name); err != nil {
				return err
			}
		}
		config = append(config,
			"listeners.ssl.default = 127.0.0.1:"+fmt.Sprint(n.ports.tls),
			"ssl_options.cacertfile = "+n.path("ca.pem"),
			"ssl_options.certfile = "+n.path("server.pem"),
			"ssl_options.keyfile = "+n.path("server.key"),
			"ssl_options.verify = verify_peer",
			"ssl_options.fail_if_no_peer_cert = false",
			"ssl_cert_login_from = common_name",
		)
		plugins = append(plugins, "rabbitmq_auth_mechanism_ssl")
	}
	var err error
	if !n.installed {
		if n.scripts, err = n.makeHome(plugins); err != nil {
			return err
		}
	}
	files := map[string]string{
		"rabbitmq.conf":   strings.Join(config, "\n") + "\n",
		"enabled_plugins": "[" + strings.Join(plugins, ",") + "].\n",
		"env.conf":        "",
	}
	if n.cookie != "" {
		files[".erlang.cookie"] = n.cookie
	}
	for name, text := range files {
		if err := os.WriteFile(n.path(name), []byte(text), 0o400); err != nil {
			return err
		}
	}
	return nil
}

// env is the environment of the node's programs: everything in the folder,
// everything on loopback.
func (n *Node) env() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"LANG=C.UTF-8",
		"HOME=" + n.dir,
		"ERL_EPMD_PORT=" + fmt.Sprint(n.ports.epmd),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_NODENAME=" + n.Name,
		"RABBITMQ_DIST_PORT=" + fmt.Sprint(n.ports.dist),
		"RABBITMQ_MNESIA_BASE=" + n.path("data"),
		"RABBITMQ_LOG_BASE=" + n.path("log"),
		"RABBITMQ_LOGS=" + n.path(logFile),
		"RABBITMQ_PID_FILE=" + n.path("server.pid"),
		"RABBITMQ_SCHEMA_DIR=" + n.path("schema"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + n.path("generated"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + n.path("enabled_plugins"),
		"RABBITMQ_CONFIG_FILE=" + n.path("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + n.path("advanced.config"),
		"RABBITMQ_CONF_ENV_FILE=" + n.path("env.conf"),
		// Few schedulers, which do not spin while they wait, leave the processor
		// to the tests.
		`RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}`,
	}
	if n.scripts != "" {
		env = append(env, "RABBITMQ_SCRIPTS_DIR="+n.scripts)
	}
	return env
}
