import type { JSX } from "preact";
import { get } from "../data/client.ts";
import { ofFamily, useResource } from "../data/resource.ts";
import { refusal, session } from "../data/session.ts";
import { useStore } from "../data/store.ts";
import type { Certificate, RevisionSummary, ServerStatus, TrafficHistory } from "../data/types.ts";
import { count, duration, plural } from "../format.ts";
import { href } from "../router.ts";
import { LinkButton } from "../ui/controls.tsx";
import { RevisionFeed } from "../ui/feed.tsx";
import { Icon } from "../ui/icons.tsx";
import { Empty, Loaded, Page, Section } from "../ui/page.tsx";
import { CertificateState, Expiry } from "./certificate-parts.tsx";
import { GatewayList } from "./gateways.tsx";
import { Legend, TrafficChart, TrafficFigures } from "./overview-traffic.tsx";

/** Whether all is well, and if not what and why. */
export function OverviewPage(): JSX.Element {
  const who = useStore(session);
  const reason = refusal("admin:read", who);
  const actions = (
    <LinkButton href={href(["new"])} kind="primary" icon="plus" scope="ingress:write">
      New ingress
    </LinkButton>
  );
  return (
    <Page title="Overview" actions={actions}>
      {reason === undefined ? (
        <Everything />
      ) : (
        <Empty
          title={
            who?.limits === undefined
              ? "Your token sees a part of this."
              : "Your token sees your own ingresses."
          }
        >
          <p class="hint">{reason}</p>
          <p>
            <a href={href(["ingresses"])}>Go to the ingresses</a>
          </p>
        </Empty>
      )}
    </Page>
  );
}

function Everything(): JSX.Element {
  const status = useResource("status", (signal) => get<ServerStatus>("/status", {}, signal), {
    on: ofFamily("caddy", "drift", "port", "certificate", "ingress", "gateway", "source", "target"),
    everyMs: 10_000,
  });
  // The traffic of all and the gateways are not for a team.
  const isTeam = useStore(session)?.limits !== undefined;
  const traffic = useResource(
    "traffic",
    async (signal) => (isTeam ? undefined : await get<TrafficHistory>("/traffic", {}, signal)),
    { everyMs: 10_000 },
  );
  return (
    <Loaded of={status}>
      {(data) => (
        <>
          <Verdict status={data} isTeam={isTeam} />
          {data.ingresses === 0 && <FirstSteps />}
          <Figures status={data} {...(traffic.data === undefined ? {} : { traffic: traffic.data })} />
          <div class="columns">
            <div>
              {!isTeam && (
                <Section title="Requests of the last hour" aside={<Legend />}>
                  <Loaded of={traffic}>{(history) => history && <TrafficChart history={history} />}</Loaded>
                </Section>
              )}
              <Changes />
            </div>
            <div>
              <EndingCertificates status={data} />
              {!isTeam && (
                <Section title="Gateways" aside={<a href={href(["gateways"])}>All</a>}>
                  <GatewayList />
                </Section>
              )}
            </div>
          </div>
        </>
      )}
    </Loaded>
  );
}

interface VerdictProps {
  readonly status: ServerStatus;
  readonly isTeam: boolean;
}

function Verdict({ status: { status, problems, ingresses }, isTeam }: VerdictProps): JSX.Element {
  if (status === "ok")
    return (
      <div class="verdict ok">
        <Icon name="ok" />
        <p>
          {ingresses === 0
            ? "Gatewright is ready."
            : `All is well: ${plural(ingresses, "ingress", "ingresses")} served.`}
        </p>
      </div>
    );
  return (
    <div class="verdict warn" role="status">
      <Icon name="warn" />
      <div>
        <p>
          {plural(problems.length, "thing")} {problems.length === 1 ? "wants" : "want"} attention.
        </p>
        <ul>
          {problems.map((problem) => (
            <li key={problem}>{problem}</li>
          ))}
        </ul>
        {!isTeam && <a href={href(["doctor"])}>Ask the doctor</a>}
      </div>
    </div>
  );
}

function FirstSteps(): JSX.Element {
  return (
    <Section title="From nothing to a working hostname">
      <Empty title="No hostname is served yet.">
        <p>
          An ingress leads a hostname to an instance: a virtual machine, or anything with an address. Say
          which name, and where the requests go; the plan shows what will happen before it does.
        </p>
        <LinkButton href={href(["new"])} kind="primary" icon="plus" scope="ingress:write">
          Serve the first hostname
        </LinkButton>
      </Empty>
    </Section>
  );
}

function Figures({
  status,
  traffic,
}: {
  readonly status: ServerStatus;
  readonly traffic?: TrafficHistory;
}): JSX.Element {
  const { ready, pending, failed, expired, expiring } = status.certificates;
  const wanting = [
    failed + expired > 0 ? `${failed + expired} failed` : "",
    pending > 0 ? `${pending} pending` : "",
    expiring > 0 ? `${expiring} end soon` : "",
  ].filter((text) => text !== "");
  return (
    <dl class="figures">
      <div>
        <dt>Ingresses</dt>
        <dd>
          <a href={href(["ingresses"])}>{count(status.ingresses)}</a>
        </dd>
      </div>
      {traffic !== undefined && <TrafficFigures history={traffic} />}
      <div>
        <dt>Certificates ready</dt>
        <dd>
          <a href={href(["certificates"])}>{count(ready)}</a>
          {wanting.length > 0 && <span class="hint">{wanting.join(", ")}</span>}
        </dd>
      </div>
      <div>
        <dt>Up for</dt>
        <dd>
          {duration(status.uptime_seconds)}
          <span class="hint">version {status.version}</span>
        </dd>
      </div>
    </dl>
  );
}

function Changes(): JSX.Element {
  const revisions = useResource(
    "revisions 5",
    (signal) => get<readonly RevisionSummary[]>("/revisions", { limit: 5 }, signal),
    { on: ofFamily("ingress") },
  );
  return (
    <Section title="What changed lately" aside={<a href={href(["history"])}>All</a>}>
      <Loaded of={revisions}>
        {(list) =>
          list.length === 0 ? (
            <p class="hint">Nothing was changed yet. Each change will stand here, with who made it.</p>
          ) : (
            <RevisionFeed revisions={list} />
          )
        }
      </Loaded>
    </Section>
  );
}

const MOST_SHOWN = 6;
/** Of those that come first by urgency. */
const MOST_LOOKED_AT = 50;

function EndingCertificates({ status: { certificates } }: { readonly status: ServerStatus }): JSX.Element {
  const { expiring, failed, expired, pending, ready } = certificates;
  const wanting = expiring + failed + expired + pending;
  return (
    <Section title="Certificates that want attention" aside={<a href={href(["certificates"])}>All</a>}>
      {wanting > 0 ? (
        <WantingCertificates key={wanting} />
      ) : (
        <p class="hint">
          {ready > 0 ? "None: all are valid, and renewed in time." : "No rule asks for a certificate yet."}
        </p>
      )}
    </Section>
  );
}

function WantingCertificates(): JSX.Element {
  const certificates = useResource(
    "certificates",
    (signal) =>
      get<readonly Certificate[]>("/certificates", { sort: "urgency", limit: MOST_LOOKED_AT }, signal),
    { on: ofFamily("certificate") },
  );
  return (
    <Loaded of={certificates}>
      {(list) => (
        <ul class="feed">
          {list
            .filter(
              ({ state, expires_soon: endsSoon, error }) =>
                state !== "idle" && (state !== "ready" || endsSoon === true || error !== undefined),
            )
            .slice(0, MOST_SHOWN)
            .map((certificate) => (
              <li key={certificate.id}>
                <CertificateState certificate={certificate} />
                <span>
                  <a href={href(["certificates", certificate.id])}>{certificate.names[0]}</a>
                  <span class="hint block">
                    {certificate.error?.message ?? <Expiry certificate={certificate} />}
                  </span>
                </span>
              </li>
            ))}
        </ul>
      )}
    </Loaded>
  );
}
