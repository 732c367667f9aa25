package scenarios

// The grammar of targets that are not wsgauge's own; see keys.go.

type rawBalancer struct {
	section
	Members  count    `json:"members,omitempty" max:"256" example:"2" jsonschema:"The first so many instances of the backend. Without it: all."`
	LBMethod word     `json:"lbmethod,omitempty" words:"byrequests|bytraffic|bybusyness|heartbeat" default:"byrequests" jsonschema:"lbmethod: by what it chooses the member for a new tunnel."`
	Sticky   boolean  `json:"sticky,omitempty" default:"false" jsonschema:"Clients come back to the member they had, by a cookie (stickysession, and a route for each member)."`
	Retry    duration `json:"retry,omitempty" min:"1s" example:"5s" jsonschema:"retry of each member, in whole seconds: for how long one gets no tunnels after it could not be reached. Without it: Apache's own 60s."`
}

// rawPeer is nginx, HAProxy and Caddy. What one of them has no word for is found
// by the builder, which can say so.
type rawPeer struct {
	section
	Timeout duration `json:"timeout,omitempty" min:"1ms" example:"60s" jsonschema:"nginx: proxy_read_timeout and proxy_send_timeout. HAProxy: timeout tunnel. Without it: nginx's own 60s, and 5 minutes of HAProxy, which has no limit of its own. Caddy has none."`
	Limit   count    `json:"limit,omitempty" max:"10000000" example:"1024" jsonschema:"nginx: worker_connections, of which a tunnel takes two. HAProxy: maxconn. Without it: the proxy's own default. Caddy has none."`
	Workers count    `json:"workers,omitempty" max:"1024" example:"2" jsonschema:"nginx: worker_processes. HAProxy: nbthread. Without it: the proxy's own default. Caddy has none."`
	TLS     rawTLS   `json:"tls,omitempty" jsonschema:"Which legs of it speak TLS. Without it clients connect by ws, and the backend is spoken to as it speaks."`
	Extra   text     `json:"extra,omitempty" example:"tcp_nodelay off;" jsonschema:"Directives as they are, put where the proxy takes those for a server. A dollar before a letter is written $$."`
	Server  text     `json:"server,omitempty" example:"/opt/nginx/sbin/nginx" jsonschema:"Path of another build's executable. Without it: the one that is installed."`
	Config  text     `json:"config,omitempty" example:"/etc/nginx/nginx.conf" jsonschema:"A configuration file of your own, left as it is. Beside it stand listen, server and tls: {frontend} alone."`
	Listen  text     `json:"listen,omitempty" form:"listen" example:"127.0.0.1:8080" jsonschema:"With config: the address and port on which that file has it listen."`
}

type rawCommand struct {
	section
	Argv      texts     `json:"argv" jsonschema:"The program and its arguments, with placeholders. It stays in the foreground."`
	Files     fileTexts `json:"files,omitempty" jsonschema:"Files that are written into {dir} before it starts: the name, and the text with placeholders."`
	ErrorLog  text      `json:"error_log,omitempty" example:"{logs}/error.log" jsonschema:"The file that it reports to, with placeholders. Without it: its standard error."`
	Version   texts     `json:"version,omitempty" jsonschema:"A command that says which version this is; its first line is recorded. Without it the version is not known."`
	Graceful  rawAction `json:"graceful,omitempty" jsonschema:"What signal: graceful does. Without it the step ends the proxy and starts it anew."`
	Restart   rawAction `json:"restart,omitempty" jsonschema:"What signal: restart does. Without it the step ends the proxy and starts it anew."`
	TLS       rawTLS    `json:"tls,omitempty" jsonschema:"frontend: it expects wss. Versions are for its own texts to say."`
	StopGrace duration  `json:"stop_grace,omitempty" max:"10m" default:"10s" jsonschema:"How long it may take to end after SIGTERM; then it is killed."`
}

type rawAction struct {
	section
	Signal word  `json:"signal,omitempty" words:"HUP|USR1|USR2|WINCH|INT|QUIT|TERM" example:"HUP" jsonschema:"A signal to its first process. Either signal or argv."`
	Argv   texts `json:"argv,omitempty" jsonschema:"A command, with placeholders. Either signal or argv."`
}

type rawExternal struct {
	section
	URL     text           `json:"url" form:"url" example:"wss://192.0.2.7:443" jsonschema:"Where clients connect: ws or wss, with a port."`
	TLS     rawExternalTLS `json:"tls,omitempty" jsonschema:"With wss: whom to believe. Without it: the system's authorities, for the host of the url."`
	Headers headers        `json:"headers,omitempty" jsonschema:"Headers of every request. env:NAME as a value is that of the environment variable."`
	Status  text           `json:"status,omitempty" form:"page" example:"http://192.0.2.7/server-status?auto" jsonschema:"The URL of its server-status (mod_status), to see its workers. Without it they are not watched."`
	PIDs    pids           `json:"pids,omitempty" jsonschema:"Its first processes on this machine; their children belong to it. Without pids and unit its resources are not watched. Either pids or unit."`
	Unit    text           `json:"unit,omitempty" form:"unit" example:"apache2.service" jsonschema:"The systemd unit on this machine that has its processes. Either pids or unit."`
}

type rawExternalTLS struct {
	section
	CA         text    `json:"ca,omitempty" example:"/etc/ssl/own-ca.pem" jsonschema:"A PEM file of the authorities to believe. Without it: the system's."`
	ServerName text    `json:"server_name,omitempty" form:"host" example:"chat.example.com" jsonschema:"The name that the certificate is for, and that is asked for (SNI). Without it: the host of the url."`
	Insecure   boolean `json:"insecure,omitempty" default:"false" jsonschema:"Believes anybody."`
}
