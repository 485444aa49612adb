import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { unreachableSince } from "../data/client.ts";
import { live } from "../data/live.ts";
import { logOut, refusal, session } from "../data/session.ts";
import { useStore } from "../data/store.ts";
import type { Scope } from "../data/types.ts";
import { href, route } from "../router.ts";
import { Announcer } from "./announce.tsx";
import { Button } from "./controls.tsx";
import { Icon } from "./icons.tsx";
import { nextTheme, theme } from "./theme.ts";

interface Entry {
  readonly path: string;
  readonly label: string;
  readonly scope?: Scope;
  /** It tells of everybody. */
  readonly isForAll?: true;
}

const entries: readonly Entry[] = [
  { path: "", label: "Overview" },
  { path: "ingresses", label: "Ingresses", scope: "ingress:read" },
  { path: "explain", label: "Explain a URL", scope: "ingress:read" },
  { path: "instances", label: "Instances", scope: "instance:read" },
  { path: "certificates", label: "Certificates", scope: "certificate:read" },
  { path: "events", label: "Events", scope: "admin:read" },
  { path: "history", label: "History", scope: "ingress:read" },
  { path: "log", label: "Caddy's log", scope: "admin:read", isForAll: true },
  { path: "doctor", label: "Doctor", scope: "admin:read", isForAll: true },
  { path: "gateways", label: "Gateways", scope: "admin:read", isForAll: true },
  { path: "tokens", label: "Tokens", scope: "admin:read", isForAll: true },
];

/** What every page has around it. */
export function Shell({ children }: { readonly children: ComponentChildren }): JSX.Element {
  const { path } = useStore(route);
  const [isOpen, setOpen] = useState(false);
  useEffect(() => setOpen(false), [path]);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.querySelector<HTMLElement>("main")?.focus()}>
        Skip to the content
      </button>
      <div class="shell">
        <header class="rail">
          <a class="brand" href="#/">
            <Gate />
            Gatewright
          </a>
          <button
            type="button"
            class="button plain menu"
            aria-expanded={isOpen}
            aria-controls="nav"
            onClick={() => setOpen(!isOpen)}
          >
            <Icon name={isOpen ? "close" : "menu"} label="Menu" />
          </button>
          <nav id="nav" aria-label="Main" class={isOpen ? "open" : ""}>
            <Links current={path[0] === "new" || path[0] === "edit" ? "ingresses" : (path[0] ?? "")} />
            <Foot />
          </nav>
        </header>
        <div class="body">
          <Connection />
          <main id="main" tabIndex={-1}>
            {children}
          </main>
        </div>
      </div>
      <Announcer />
    </>
  );
}

function Links({ current }: { readonly current: string }): JSX.Element {
  const who = useStore(session);
  return (
    <ul>
      {entries.map(({ path, label, scope, isForAll }) => {
        const reason = scope === undefined ? undefined : refusal(scope, who, isForAll);
        if (reason !== undefined)
          return (
            <li key={path}>
              <span class="nav-link off" title={reason}>
                {label} <Icon name="lock" label={reason} />
              </span>
            </li>
          );
        return (
          <li key={path}>
            <a
              class="nav-link"
              href={href(path === "" ? [] : [path])}
              aria-current={current === path ? "page" : undefined}
            >
              {label}
            </a>
          </li>
        );
      })}
    </ul>
  );
}

function Foot(): JSX.Element {
  const who = useStore(session);
  const shown = useStore(theme);
  return (
    <div class="rail-foot">
      {who !== undefined && (
        <p class="who">
          {who.kind === "open" ? "Open to this machine" : who.subject}
          {who.limits !== undefined && <span class="hint">own ingresses only</span>}
        </p>
      )}
      <Button kind="plain" onClick={nextTheme}>
        Theme: {shown}
      </Button>
      <a class="button plain" href="/docs">
        API reference
      </a>
      {who?.kind === "session" && (
        <Button kind="plain" onClick={() => void logOut()}>
          Log out
        </Button>
      )}
      {who?.kind === "open" && (
        <a class="button plain" href={href(["login"])}>
          Log in with a token
        </a>
      )}
    </div>
  );
}

/** Says that the page is not connected, and since when. */
function Connection(): JSX.Element {
  const away = useStore(unreachableSince);
  const state = useStore(live.state);
  const since = away ?? (state.kind === "lost" ? state.since : undefined);
  return (
    <div role="status" aria-live="polite">
      {since !== undefined && (
        <p class="lost">
          <Icon name="warn" />
          Not connected since {since.toLocaleTimeString()}. What is shown may be old; trying again.
        </p>
      )}
    </div>
  );
}

/** The mark. */
export function Gate(): JSX.Element {
  return (
    <svg class="gate" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M8 25V14a8 8 0 0 1 16 0v11M13 25V15a3 3 0 0 1 6 0v10M5 25h22" />
    </svg>
  );
}
