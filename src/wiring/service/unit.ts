/** What the unit depends on beside its name. */
export interface UnitOptions {
  /** The program and its arguments before `up`; absolute paths. */
  readonly command: readonly string[];
}

/** Name of the unit, of its user, and of its folders below /var/lib, /var/cache and /etc. */
export const SERVICE = "gatewright";
export const DATA_DIR = `/var/lib/${SERVICE}`;
export const SETTINGS_FILE = `/etc/${SERVICE}/${SERVICE}.env`;

/** The unit of systemd. Pure. docs/decisions/0014 has the reasons. */
export function renderUnit({ command }: UnitOptions): string {
  return `[Unit]
Description=Gatewright, ingress manager for virtual machines
Documentation=https://www.npmjs.com/package/gatewright
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
# What tells systemd is systemd-notify, a child.
NotifyAccess=all
WatchdogSec=60
ExecStart=${[...command, "up"].map(quoted).join(" ")}
ExecReload=/bin/kill -HUP $MAINPID
# Caddy goes on serving while Gatewright restarts, and is found again. \`gatewright stop --caddy\` ends it.
KillMode=process
Restart=always
RestartSec=1
# A first start may have to build Caddy; a stop waits for the changes under way.
TimeoutStartSec=10min
TimeoutStopSec=60
LimitNOFILE=1048576

User=${SERVICE}
Group=${SERVICE}
EnvironmentFile=-${SETTINGS_FILE}
Environment=DATA_DIR=${DATA_DIR} NODE_COMPILE_CACHE=/var/cache/${SERVICE}
StateDirectory=${SERVICE}
StateDirectoryMode=0700
CacheDirectory=${SERVICE}
CacheDirectoryMode=0700
# For sockets that LISTEN_ADDRESS names there.
RuntimeDirectory=${SERVICE}
RuntimeDirectoryPreserve=yes
WorkingDirectory=${DATA_DIR}
UMask=0077

AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
# Not PrivateTmp: systemd would delete the folder under the Caddy that goes on.
TemporaryFileSystem=/tmp /var/tmp
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`;
}

/** Makes the user at the installation; sysusers.d(5). */
export const SYSUSERS = `u ${SERVICE} - "Gatewright" ${DATA_DIR}\n`;

/** What the file of settings holds at first. */
export const SETTINGS = `# Settings of Gatewright: one NAME=value a line, as \`gatewright doctor\` and the documentation name them.
# \`systemctl reload ${SERVICE}\` has secrets and log levels be read again, \`systemctl restart ${SERVICE}\` all of them.
#HTTP_PORT=80
#HTTPS_PORT=443
#ACME_EMAIL=ops@example.com
#JWT_SECRET_FILE=/etc/${SERVICE}/jwt-secret
`;

/** A word of a command line; systemd.service(5) expands % and $ there. */
function quoted(word: string): string {
  const plain = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w@%+=:,./$-]+$/.test(plain) ? plain : `"${plain.replace(/["\\]/g, "\\$&")}"`;
}
