import type { ComponentType, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, loginWanted, unreachableSince } from "./data/client.ts";
import { live } from "./data/live.ts";
import { loadSession, session } from "./data/session.ts";
import { useStore } from "./data/store.ts";
import type { Session } from "./data/types.ts";
import { CaddyLogPage } from "./pages/caddy-log.tsx";
import { CertificatePage } from "./pages/certificate.tsx";
import { CertificatesPage } from "./pages/certificates.tsx";
import { DoctorPage } from "./pages/doctor.tsx";
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
  const shown = useShown(who, wanted);
  const isLogin = wanted !== false || path[0] === "login";
  return (
    <>
      {isLogin && <LoginPage ended={wanted === "ended"} />}
      {shown !== undefined && (
        <div hidden={isLogin}>
          <Shell key={shown.subject}>
            <Routed path={path} key={path.join("/")} />
          </Shell>
        </div>
      )}
      {shown === undefined && !isLogin && (
        <main class="alone" aria-busy={failure === undefined}>
          {failure !== undefined && <Failure error={failure} />}
        </main>
      )}
    </>
  );
}

/**
 * Whose page is shown. When a session ends it stays behind the login, with what somebody has begun to write; who logs out, or
 * somebody else who logs in, leaves none of it.
 */
function useShown(who: Session | undefined, wanted: false | "needed" | "ended"): Session | undefined {
  const last = useRef<Session>(undefined);
  if (who !== undefined) last.current = who;
  else if (wanted === "needed") last.current = undefined;
  return last.current;
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
  doctor: DoctorPage,
  gateways: GatewaysPage,
  tokens: TokensPage,
  new: NewPage,
};

const details: typeof pages = {
  ingresses: IngressPage,
  edit: EditPage,
  instances: InstancePage,
  certificates: CertificatePage,
  history: RevisionPage,
};

function Routed({ path }: { readonly path: readonly string[] }): JSX.Element {
  const [name = "", id] = path;
  if (name === "") return <OverviewPage />;
  const known = id === undefined ? pages : details;
  const Found = Object.hasOwn(known, name) ? known[name] : undefined;
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
