import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, loginWanted, unreachableSince } from "./data/client.ts";
import { live } from "./data/live.ts";
import { loadSession, session } from "./data/session.ts";
import { useStore } from "./data/store.ts";
import { CaddyLogPage } from "./pages/caddy-log.tsx";
import { CertificatesPage } from "./pages/certificates.tsx";
import { EditPage, NewPage } from "./pages/edit.tsx";
import { EventsPage } from "./pages/events.tsx";
import { ExplainPage } from "./pages/explain.tsx";
import { GatewaysPage } from "./pages/gateways.tsx";
import { HistoryPage, RevisionPage } from "./pages/history.tsx";
import { IngressPage } from "./pages/ingress.tsx";
import { IngressesPage } from "./pages/ingresses.tsx";
import { InstancePage } from "./pages/instance.tsx";
import { InstancesPage } from "./pages/instances.tsx";
import { LoginPage } from "./pages/login.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { TokensPage } from "./pages/tokens.tsx";
import { route } from "./router.ts";
import { Empty, Failure, Page } from "./ui/page.tsx";
import { Shell } from "./ui/shell.tsx";

export function App(): JSX.Element {
  const wanted = useStore(loginWanted);
  const who = useStore(session);
  const { path } = useStore(route);
  const failure = useSession();
  if (wanted !== false || path[0] === "login") return <LoginPage ended={wanted === "ended"} />;
  if (who === undefined && failure !== undefined)
    return (
      <main class="alone">
        <Failure error={failure} />
      </main>
    );
  if (who === undefined) return <main class="alone" aria-busy="true" />;
  return (
    <Shell>
      <Routed path={path} key={path.join("/")} />
    </Shell>
  );
}

const WAIT_MS = 2_000;

/** Asks who is logged in until the API answers; follows events while somebody is. */
function useSession(): ApiError | undefined {
  const [failure, setFailure] = useState<ApiError>();
  const who = useStore(session);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = (): void =>
      void loadSession().catch((error: unknown) => {
        if (error instanceof ApiError) setFailure(error);
        timer = setTimeout(ask, WAIT_MS);
      });
    ask();
    // A manager that was restarted knows no session any more.
    const unfollow = unreachableSince.follow(
      (since) => since === undefined && session.value !== undefined && ask(),
    );
    return () => {
      clearTimeout(timer);
      unfollow();
    };
  }, []);
  useEffect(() => {
    if (who === undefined) return;
    live.start();
    return () => live.stop();
  }, [who]);
  return failure;
}

const pages: { readonly [name: string]: ComponentType<{ readonly id: string }> } = {
  ingresses: IngressesPage,
  explain: ExplainPage,
  instances: InstancesPage,
  certificates: CertificatesPage,
  events: EventsPage,
  history: HistoryPage,
  log: CaddyLogPage,
  gateways: GatewaysPage,
  tokens: TokensPage,
  new: NewPage,
};

const details: typeof pages = {
  ingresses: IngressPage,
  edit: EditPage,
  instances: InstancePage,
  history: RevisionPage,
};

function Routed({ path }: { readonly path: readonly string[] }): JSX.Element {
  const [name = "", id] = path;
  if (name === "") return <OverviewPage />;
  const Found = id === undefined ? pages[name] : details[name];
  if (Found !== undefined) return <Found id={id ?? ""} />;
  return (
    <Page title="Not found">
      <Empty title="There is no such page.">
        <p>
          <a href="#/">Go to the overview</a>
        </p>
      </Empty>
    </Page>
  );
}
