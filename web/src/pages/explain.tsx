import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, call } from "../data/client.ts";
import { useStore } from "../data/store.ts";
import type { ExplainedAddress, ExplainRequest, Explanation } from "../data/types.ts";
import { plural } from "../format.ts";
import { href, route, setQuery } from "../router.ts";
import { Button, Check, TextField } from "../ui/controls.tsx";
import { Failure, Page, Section } from "../ui/page.tsx";
import { Notice, State, type Tone } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";
import { Conditions } from "./ingress-now.tsx";

/** What becomes of a request: the answer to "why is it down?". */
export function ExplainPage(): JSX.Element {
  const { query } = useStore(route);
  const [url, setUrl] = useState(query.get("url") ?? "");
  const [method, setMethod] = useState(query.get("method") ?? "");
  const [client, setClient] = useState(query.get("client_ip") ?? "");
  const [connects, setConnects] = useState(query.get("connect") !== "false");
  const [result, setResult] = useState<Explanation>();
  const [error, setError] = useState<ApiError>();
  const [isBusy, setBusy] = useState(false);
  const ask = async (): Promise<void> => {
    const text = /^[a-z]+:\/\//i.test(url.trim()) ? url.trim() : `http://${url.trim()}`;
    setUrl(text);
    setQuery({ url: text, method, client_ip: client, connect: connects ? undefined : "false" });
    setBusy(true);
    try {
      const body: ExplainRequest = {
        url: text,
        ...(method === "" ? {} : { method: method.toUpperCase() }),
        ...(client === "" ? {} : { client_ip: client }),
        connect: connects,
      };
      setResult((await call<Explanation>("POST", "/explain", { body })).data);
      setError(undefined);
    } catch (thrown) {
      setResult(undefined);
      if (thrown instanceof ApiError) setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  // an address that names a URL is asked about at once, and not again while it is typed on
  useEffect(() => void (url !== "" && ask()), []);
  const problem = (field: string): string | undefined =>
    error?.details.find((one) => one.field === field)?.message;
  return (
    <Page title="Explain a URL">
      <form
        class="form explain-form"
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <TextField
          label="URL"
          mono
          value={url}
          onInput={setUrl}
          error={problem("url")}
          placeholder="https://shop.example.com/cart"
        />
        <div class="row">
          <TextField
            label="Method"
            value={method}
            onInput={setMethod}
            error={problem("method")}
            placeholder="GET"
            list={["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]}
          />
          <TextField
            label="Client address"
            mono
            value={client}
            onInput={setClient}
            error={problem("client_ip")}
            placeholder="192.0.2.1, a stranger"
          />
        </div>
        <Check
          label="Connect to the instance"
          checked={connects}
          onChange={setConnects}
          hint="Opens a connection to see whether it is refused, and closes it; no request is sent."
        />
        <div class="actions">
          <Button
            type="submit"
            kind="primary"
            icon="search"
            busy={isBusy}
            blocked={url.trim() === "" ? "Enter a URL first." : undefined}
          >
            Explain
          </Button>
        </div>
      </form>
      {error && <Failure error={error} />}
      <div aria-live="polite">{result && <Result of={result} />}</div>
    </Page>
  );
}

function toneOf({ outcome, reason, answer }: Explanation): Tone {
  if (reason === "served" || reason === "redirected") return "ok";
  if (outcome === "closed" || outcome === "unserved") return "bad";
  return (answer?.status ?? 0) >= 500 ? "bad" : "warn";
}

function Result({ of: told }: { readonly of: Explanation }): JSX.Element {
  const {
    answer,
    message,
    reason,
    differences,
    nearest_hostnames: nearest = [],
    last_failure: failure,
    conditions,
  } = told;
  return (
    <div class="explained">
      <Notice tone={toneOf(told)} title={message}>
        <p class="hint">
          {answer === undefined ? told.outcome : `answered with ${answer.status}`} · {reason}
          {answer?.location !== undefined && ` · to ${answer.location}`}
        </p>
      </Notice>
      {nearest.length > 0 && (
        <p>
          Similar hostnames:{" "}
          {nearest.map((name) => (
            <span key={name}>
              <a href={href(["ingresses"], { q: name })}>{name}</a>{" "}
            </span>
          ))}
        </p>
      )}
      {differences.map(({ code, message: text }) => (
        <Notice key={`${code} ${text}`} tone="warn" title={text} />
      ))}
      <Steps told={told} />
      {failure !== undefined && (
        <Section title="The last request that failed">
          <p>
            {failure.cause}
            {failure.address !== undefined && ` at ${failure.address}`}
            {failure.status !== undefined && `, answered with ${failure.status}`}, <Time at={failure.at} />
          </p>
        </Section>
      )}
      {conditions.length > 0 && (
        <Section title="Conditions that do not hold">
          <Conditions conditions={conditions} />
        </Section>
      )}
      {answer?.body !== undefined && answer.body !== "" && (
        <Section title="What the client gets">
          <pre class="document">{answer.body}</pre>
        </Section>
      )}
    </div>
  );
}

/** The way of the request, as far as it goes. */
function Steps({ told }: { readonly told: Explanation }): JSX.Element {
  const { ingress, considered, considered_more: more = 0, tls, policies, forwarded, targets } = told;
  return (
    <ol class="steps">
      {tls !== undefined && (
        <li>
          <State tone={tls.error === undefined ? "ok" : "bad"}>TLS</State>
          <span>
            {tls.error ??
              `${tls.certificate?.names.join(", ") ?? "a certificate"} by ${tls.certificate?.issuer ?? "nobody"}, TLS ${tls.min_version} or newer`}
          </span>
        </li>
      )}
      {considered.map(({ ingress: row, hostname, lacks }) => (
        <li key={`${row.id} ${row.rule}`}>
          <State tone="quiet">not this</State>
          <span>
            <a href={href(["ingresses", row.id])}>{row.name}</a> rule {row.rule + 1} ({hostname}): another{" "}
            {lacks}
          </span>
        </li>
      ))}
      {more > 0 && <li>… {plural(more, "rule")} more</li>}
      <li>
        <State tone={ingress === undefined ? "bad" : "ok"}>rule</State>
        <span>
          {ingress === undefined ? (
            told.outcome === "another_subject" ? (
              "A rule of somebody else takes it."
            ) : (
              "No rule takes it."
            )
          ) : (
            <>
              <a href={href(["ingresses", ingress.id])}>{ingress.name}</a> rule {ingress.rule + 1} takes it
              {ingress.redirect === true && ", and redirects"}
            </>
          )}
        </span>
      </li>
      {policies.map(({ policy, verdict, reason, status, network, limit, asks }) => (
        <li key={policy}>
          <State tone={verdict === "refused" ? "bad" : verdict === "passed" ? "ok" : "quiet"}>
            {policy.replaceAll("_", " ")}
          </State>
          <span>
            {verdict.replaceAll("_", " ")}
            {reason !== undefined && `: ${reason}`}
            {status !== undefined && `, ${status}`}
            {network !== undefined && `, by ${network}`}
            {limit !== undefined && `, ${limit.used} of ${limit.events} used`}
            {asks !== undefined && `, ${asks} would be asked`}
          </span>
        </li>
      ))}
      {forwarded !== undefined && (
        <li>
          <State tone="ok">sent as</State>
          <code>
            {forwarded.method} {forwarded.host}
            {forwarded.uri}
          </code>
        </li>
      )}
      {targets?.addresses.map((one) => (
        <Address key={`${one.target} ${one.address}`} of={one} />
      ))}
      {targets?.error !== undefined && (
        <li>
          <State tone="bad">target</State>
          <span>{targets.error}</span>
        </li>
      )}
    </ol>
  );
}

function Address({
  of: { name, address, state, reason, chosen, connection },
}: {
  readonly of: ExplainedAddress;
}): JSX.Element {
  const isOpen = connection === undefined || connection === "open";
  const tone: Tone =
    state === "ready" ? (isOpen ? "ok" : "bad") : state === "drained" || state === "paused" ? "warn" : "bad";
  return (
    <li>
      <State tone={tone}>{isOpen ? state.replaceAll("_", " ") : connection}</State>
      <span>
        {name !== undefined && `${name} `}
        <code>{address ?? "no address"}</code>
        {chosen === true && isOpen && ", takes it"}
        {connection === "open" && ", connected"}
        {reason !== undefined && `: ${reason}`}
      </span>
    </li>
  );
}
