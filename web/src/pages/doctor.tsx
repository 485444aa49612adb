import type { JSX } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get } from "../data/client.ts";
import type { Finding } from "../data/types.ts";
import { plural } from "../format.ts";
import { Button } from "../ui/controls.tsx";
import { Failure, Page, Section } from "../ui/page.tsx";
import { State, type Tone } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";

const groups = [
  { verdict: "problem", title: "Problems", tone: "bad" },
  { verdict: "warning", title: "Warnings", tone: "warn" },
  { verdict: "ok", title: "As it should be", tone: "ok" },
] as const satisfies readonly { verdict: Finding["verdict"]; title: string; tone: Tone }[];

interface Looked {
  readonly findings: readonly Finding[];
  readonly at: string;
}

/** Everything that could keep requests from being served, the worst first. */
export function DoctorPage(): JSX.Element {
  const { looked, error, isLooking, look } = useDoctor();
  return (
    <Page
      title="Doctor"
      actions={
        <Button busy={isLooking} onClick={look}>
          Look again
        </Button>
      }
    >
      <p class="hint result">
        Looks at the machine of the Gatewright that answers, and changes nothing there: settings, Caddy, disk,
        clock, ports, tokens, certificates, and where hostnames lead.
      </p>
      <div role="status" aria-busy={isLooking}>
        {isLooking && <p class="loading">Looking… authorities and DNS servers may take some seconds.</p>}
        {!isLooking && looked && <Summary {...looked} />}
      </div>
      {error && <Failure error={error} />}
      {looked && groups.map((group) => <Group key={group.verdict} {...group} of={looked.findings} />)}
    </Page>
  );
}

function useDoctor() {
  const [looked, setLooked] = useState<Looked>();
  const [error, setError] = useState<ApiError>();
  const [isLooking, setLooking] = useState(false);
  const stop = useRef<AbortController>(undefined);
  const look = useCallback(() => {
    stop.current?.abort();
    const current = new AbortController();
    stop.current = current;
    setLooking(true);
    get<readonly Finding[]>("/doctor", {}, current.signal)
      .then(
        (findings) => {
          setLooked({ findings, at: new Date().toISOString() });
          setError(undefined);
        },
        (thrown: unknown) => thrown instanceof ApiError && setError(thrown),
      )
      .finally(() => current.signal.aborted || setLooking(false));
  }, []);
  useEffect(() => {
    look();
    return () => stop.current?.abort();
  }, [look]);
  return { looked, error, isLooking, look };
}

function Summary({ findings, at }: Looked): JSX.Element {
  const count = (verdict: Finding["verdict"]): number =>
    findings.filter((one) => one.verdict === verdict).length;
  const [problems, warnings] = [count("problem"), count("warning")];
  const parts = [
    problems > 0 ? plural(problems, "problem") : "",
    warnings > 0 ? plural(warnings, "warning") : "",
  ].filter((part) => part !== "");
  return (
    <p>
      <State tone={problems > 0 ? "bad" : warnings > 0 ? "warn" : "ok"}>
        {parts.length === 0 ? "Nothing is wrong." : `${parts.join(" and ")}.`}
      </State>{" "}
      <span class="hint">
        Looked <Time at={at} />
      </span>
    </p>
  );
}

interface GroupProps {
  readonly verdict: Finding["verdict"];
  readonly title: string;
  readonly tone: Tone;
  readonly of: readonly Finding[];
}

function Group({ verdict, title, tone, of: findings }: GroupProps): JSX.Element | null {
  const own = findings.filter((one) => one.verdict === verdict);
  if (own.length === 0) return null;
  return (
    <Section title={title}>
      <ul class="feed findings">
        {own.map(({ check, message, remedy }) => (
          <li key={`${check} ${message}`}>
            <State tone={tone}>{check}</State>
            <span>
              {message}
              {remedy !== undefined && (
                <span class="remedy">
                  <WithCode text={remedy} />
                </span>
              )}
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** What stands between backticks is to be typed. */
function WithCode({ text }: { readonly text: string }): JSX.Element {
  return (
    <>{text.split("`").map((part, index) => (index % 2 === 1 ? <code key={part}>{part}</code> : part))}</>
  );
}
