import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, call, get, segment } from "../data/client.ts";
import { ofFamily, useResource } from "../data/resource.ts";
import type { CreateTokenRequest, Scope, Token, TokenLimits } from "../data/types.ts";
import { announce } from "../ui/announce.tsx";
import { Button, Check, Copy, Dialog, Field, TextField } from "../ui/controls.tsx";
import { Empty, Failure, Loaded, Page } from "../ui/page.tsx";
import { Notice, State } from "../ui/status.tsx";
import { Time } from "../ui/time.tsx";

export function TokensPage(): JSX.Element {
  const tokens = useResource("tokens", (signal) => get<readonly Token[]>("/tokens", {}, signal), {
    on: ofFamily("token"),
  });
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<Token>();
  return (
    <Page
      title="Tokens"
      actions={
        <Button kind="primary" icon="plus" scope="admin:write" onClick={() => setMaking(true)}>
          New token
        </Button>
      }
    >
      {made?.token !== undefined && (
        <Notice tone="ok" title={`The token ${made.name} was made. It is shown this once.`}>
          <p>
            <Copy text={made.token} label="Copy the token" />
          </p>
        </Notice>
      )}
      <Loaded of={tokens}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No token was made here yet.">
              <p>
                A token lets a program or a team in, with no more rights than it needs, and ends when you say
                so.
              </p>
            </Empty>
          ) : (
            <Table tokens={list} onChange={tokens.reload} />
          )
        }
      </Loaded>
      {isMaking && (
        <NewToken
          onClose={() => setMaking(false)}
          onMade={(token) => {
            setMade(token);
            tokens.reload();
          }}
        />
      )}
    </Page>
  );
}

function Table({
  tokens,
  onChange,
}: {
  readonly tokens: readonly Token[];
  readonly onChange: () => void;
}): JSX.Element {
  const [leaving, setLeaving] = useState<Token>();
  return (
    <>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">May</th>
            <th scope="col" class="far">
              Limited to
            </th>
            <th scope="col" class="far">
              Last used
            </th>
            <th scope="col">Ends</th>
            <th scope="col">
              <span class="hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {tokens.map((token) => (
            <tr key={token.id}>
              <td>
                {token.name}
                <span class="hint">
                  {token.subject !== token.name && `as ${token.subject}, `}by {token.created_by}
                </span>
              </td>
              <td>{token.scopes.includes("*") ? "everything" : token.scopes.join(", ")}</td>
              <td class="far">{limitsText(token.limits)}</td>
              <td class="far">
                {token.last_used_at === undefined ? "never" : <Time at={token.last_used_at} />}
              </td>
              <td>
                <End token={token} />
              </td>
              <td class="num">
                <Button
                  kind="plain"
                  scope="admin:write"
                  label={`Revoke ${token.name}`}
                  onClick={() => setLeaving(token)}
                >
                  Revoke
                </Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {leaving && <Revocation token={leaving} onClose={() => setLeaving(undefined)} onDone={onChange} />}
    </>
  );
}

function End({ token: { expires_at: end } }: { readonly token: Token }): JSX.Element {
  if (end === undefined) return <State tone="quiet">no end</State>;
  if (Date.parse(end) < Date.now()) return <State tone="bad">ended</State>;
  return <Time at={end} />;
}

function limitsText(limits: TokenLimits | undefined): string {
  if (limits === undefined) return "";
  const parts = Object.entries(limits).map(
    ([key, list]) => `${key}: ${(list as readonly (string | number)[]).join(", ") || "none"}`,
  );
  return ["own ingresses", ...parts].join("; ");
}

function Revocation({
  token,
  onClose,
  onDone,
}: {
  readonly token: Token;
  readonly onClose: () => void;
  readonly onDone: () => void;
}): JSX.Element {
  const [error, setError] = useState<ApiError>();
  const revoke = async (): Promise<void> => {
    try {
      await call("DELETE", `/tokens/${segment(token.id)}`);
      announce(`${token.name} was revoked.`);
      onDone();
      onClose();
    } catch (thrown) {
      if (thrown instanceof ApiError) setError(thrown);
    }
  };
  return (
    <Dialog
      title={`Revoke ${token.name}?`}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Keep it</Button>
          <Button kind="danger" onClick={() => void revoke()}>
            Revoke
          </Button>
        </>
      }
    >
      <p>
        Whoever uses it is refused from then on, and cut from streams of events. This cannot be taken back.
      </p>
      {error && <Failure error={error} />}
    </Dialog>
  );
}

const scopes: readonly (readonly [Scope, string])[] = [
  ["ingress:read", "See ingresses, explain, plan"],
  ["ingress:write", "Create and change ingresses"],
  ["ingress:delete", "Delete ingresses"],
  ["instance:read", "See instances"],
  ["instance:write", "Change instances, drain them"],
  ["certificate:read", "See certificates"],
  ["certificate:write", "Import certificates"],
  ["admin:read", "See status, events, tokens"],
  ["admin:write", "Make and revoke tokens"],
];

const ends: readonly (readonly [string, string])[] = [
  ["24h", "in a day"],
  ["720h", "in 30 days"],
  ["2160h", "in 90 days"],
  ["8760h", "in a year"],
  ["", "never"],
];

function NewToken({
  onClose,
  onMade,
}: {
  readonly onClose: () => void;
  readonly onMade: (token: Token) => void;
}): JSX.Element {
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<Scope>>(new Set<Scope>(["ingress:read"]));
  const [end, setEnd] = useState("2160h");
  const [isLimited, setLimited] = useState(false);
  const [hostnames, setHostnames] = useState("");
  const [error, setError] = useState<ApiError>();
  const make = async (): Promise<void> => {
    const names = words(hostnames);
    const body: CreateTokenRequest = {
      name,
      scopes: [...chosen],
      ...(end === "" ? {} : { expires_in: end }),
      ...(isLimited ? { limits: names.length === 0 ? {} : { hostnames: names } } : {}),
    };
    try {
      onMade((await call<Token>("POST", "/tokens", { body })).data);
      onClose();
    } catch (thrown) {
      if (thrown instanceof ApiError) setError(thrown);
    }
  };
  const toggle = (scope: Scope, isOn: boolean): void => {
    const next = new Set(chosen);
    if (isOn) next.add(scope);
    else next.delete(scope);
    setChosen(next);
  };
  const problem = (field: string): string | undefined =>
    error?.details.find((one) => one.field === field)?.message;
  return (
    <Dialog
      title="New token"
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" onClick={() => void make()}>
            Make it
          </Button>
        </>
      }
    >
      <div class="row">
        <TextField label="Name" value={name} onInput={setName} error={problem("name")} placeholder="ci" />
        <Field label="Ends" error={problem("expires_in")}>
          {(props) => (
            <select {...props} value={end} onChange={(event) => setEnd(event.currentTarget.value)}>
              {ends.map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <fieldset class="plain-set">
        <legend>It may</legend>
        <div class="scopes">
          {scopes.map(([scope, label]) => (
            <Check
              key={scope}
              label={label}
              hint={scope}
              checked={chosen.has(scope)}
              onChange={(isOn) => toggle(scope, isOn)}
            />
          ))}
        </div>
      </fieldset>
      <Check
        label="For one team: it sees and changes its own ingresses alone"
        checked={isLimited}
        onChange={setLimited}
      />
      {isLimited && (
        <TextField
          label="Hostnames that its rules may have"
          mono
          value={hostnames}
          onInput={setHostnames}
          placeholder="*.shop.example.com, shop.example.com"
          hint="Separated by commas or spaces. Empty: any."
          error={problem("limits.hostnames")}
        />
      )}
      {error && <Failure error={error} />}
    </Dialog>
  );
}

function words(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}
