import type { JSX } from "preact";
import { ApiError, get, segment } from "../data/client.ts";
import { ofFamily, useResource } from "../data/resource.ts";
import { refusal, session } from "../data/session.ts";
import { useStore } from "../data/store.ts";
import type {
  Certificate,
  Condition,
  Ingress,
  IngressStatus,
  IngressTraffic,
  TrafficWindow,
} from "../data/types.ts";
import { bytes, count, latency, percent, rate } from "../format.ts";
import { href } from "../router.ts";
import { Loaded, Section } from "../ui/page.tsx";
import { State } from "../ui/status.tsx";
import { urlOf } from "../ui/targets.ts";
import { Time } from "../ui/time.tsx";
import { CertificateState, Expiry } from "./certificate-parts.tsx";
import type { Versioned } from "./ingress.tsx";
import { RulePicture } from "./rule-picture.tsx";

/** Rules beyond these are in the document. */
const MOST_DRAWN = 20;

/** What the ingress does at this moment. */
export function IngressNow({
  ingress,
  etag,
  reload,
}: Versioned & { readonly reload: () => void }): JSX.Element {
  const path = `/ingresses/${segment(ingress.id)}`;
  const status = useResource(
    `status ${ingress.id}`,
    (signal) => get<IngressStatus>(`${path}/status`, {}, signal),
    {
      on: ofFamily("ingress", "target", "instance", "certificate", "port", "caddy", "drift"),
      everyMs: 5_000,
    },
  );
  const traffic = useResource(
    `traffic ${ingress.id}`,
    (signal) => get<IngressTraffic>(`${path}/traffic`, {}, signal),
    { everyMs: 5_000 },
  );
  const seesCertificates = refusal("certificate:read", useStore(session)) === undefined;
  const url = ingress.rules.map(urlOf).find((one) => one !== undefined);
  return (
    <>
      <Section title="Rules" aside={url && <a href={href(["explain"], { url })}>Explain a URL of it</a>}>
        {ingress.rules.slice(0, MOST_DRAWN).map((_rule, index) => (
          <RulePicture
            // a rule has no name but its place
            key={index}
            versioned={{ ingress, etag }}
            index={index}
            status={status.data?.rules[index]}
            window={traffic.data?.windows[0]}
            reload={() => {
              reload();
              status.reload();
            }}
          />
        ))}
        {ingress.rules.length > MOST_DRAWN && (
          <p class="hint">{ingress.rules.length - MOST_DRAWN} more rules are in the document.</p>
        )}
      </Section>
      <div class="columns">
        <div>
          <Section title="Traffic">
            <Loaded of={traffic}>{({ windows }) => <TrafficTable windows={windows} />}</Loaded>
          </Section>
        </div>
        <div>
          <Section title="Conditions">
            <Loaded of={status}>{({ conditions }) => <Conditions conditions={conditions} />}</Loaded>
          </Section>
          {seesCertificates && ingress.rules.some(({ tls }) => tls) && <RuleCertificates ingress={ingress} />}
        </div>
      </div>
    </>
  );
}

/** A figure, and what it is by the second or of all. */
type Figure = readonly [figure: string, more?: string];

function TrafficTable({ windows }: { readonly windows: readonly TrafficWindow[] }): JSX.Element {
  const [, , quarter] = windows;
  if (quarter !== undefined && quarter.requests === 0)
    return (
      <p class="hint">
        No request came in the last 15 minutes. Explain a URL of it to see what one would meet.
      </p>
    );
  const rows: readonly (readonly [string, (window: TrafficWindow) => Figure])[] = [
    ["Requests", ({ requests, rate: perSecond }) => [count(requests), rate(perSecond)]],
    ["Answered 2xx, 3xx", (window) => share(window, "2", "3")],
    ["Answered 4xx", (window) => share(window, "4")],
    ["Answered 5xx", (window) => share(window, "5")],
    ["Half answered within", ({ p50 }) => [latency(p50)]],
    ["95 % within", ({ p95 }) => [latency(p95)]],
    ["99 % within", ({ p99 }) => [latency(p99)]],
    ["Sent to clients", ({ sent_bytes: sent }) => [bytes(sent)]],
  ];
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Last</th>
          {windows.map(({ seconds }) => (
            <th scope="col" class="num" key={seconds}>
              {seconds / 60} min
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(([label, text]) => (
          <tr key={label}>
            <td>{label}</td>
            {windows.map((window) => {
              const [figure, more] = text(window);
              return (
                <td class="num" key={window.seconds}>
                  {figure}
                  {more !== undefined && <span class="hint">{more}</span>}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function share({ statuses, requests }: TrafficWindow, ...digits: readonly string[]): Figure {
  const sum = Object.entries(statuses).reduce(
    (all, [status, number]) => (digits.includes(status[0] ?? "") ? all + number : all),
    0,
  );
  return sum === 0 ? ["0"] : [count(sum), percent(sum / requests)];
}

const tones = { True: "ok", False: "bad", Unknown: "quiet" } as const;

export function Conditions({ conditions }: { readonly conditions: readonly Condition[] }): JSX.Element {
  return (
    <ul class="conditions">
      {conditions.map(({ type, status, reason, message, last_transition_time: since }) => (
        <li key={type}>
          <State tone={tones[status]}>{type}</State>
          <span class="hint">
            {status === "True" ? reason : `${reason}: ${message}`} · <Time at={since} />
          </span>
        </li>
      ))}
    </ul>
  );
}

/** Names that are asked about. */
const MOST_NAMES = 10;

/** The certificates of its rules: those that they name, else that of the hostname or of the wildcard above it. */
async function certificatesOf({ rules }: Ingress, signal: AbortSignal): Promise<readonly Certificate[]> {
  const wanted = new Map<string, readonly string[]>();
  for (const { match, tls, tls_options: options } of rules.filter((rule) => rule.tls).slice(0, MOST_NAMES)) {
    const { hostname } = match;
    const above = hostname.replace(/^[^.]+/, "*");
    if (tls)
      wanted.set(
        options?.certificate ?? hostname,
        options?.certificate ? [options.certificate] : [hostname, above],
      );
  }
  const found = await Promise.all([...wanted.values()].map((ids) => firstOf(ids, signal)));
  return found.flatMap((one) => one ?? []);
}

async function firstOf(ids: readonly string[], signal: AbortSignal): Promise<Certificate | undefined> {
  for (const id of new Set(ids)) {
    try {
      return await get<Certificate>(`/certificates/${segment(id)}`, {}, signal);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
    }
  }
  return undefined;
}

function RuleCertificates({ ingress }: { readonly ingress: Ingress }): JSX.Element {
  const certificates = useResource(
    `certificates ${ingress.id} ${ingress.updated_at}`,
    (signal) => certificatesOf(ingress, signal),
    {
      on: ofFamily("certificate"),
    },
  );
  return (
    <Section title="Certificate">
      <Loaded of={certificates}>
        {(used) => {
          if (used.length === 0) return <p class="hint">None yet.</p>;
          return (
            <ul class="conditions">
              {used.map((certificate) => (
                <li key={certificate.id}>
                  <CertificateState certificate={certificate} />
                  <span class="hint">
                    {certificate.names.join(", ")} ·{" "}
                    {certificate.error?.message ?? <Expiry certificate={certificate} />}
                  </span>
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Section>
  );
}
