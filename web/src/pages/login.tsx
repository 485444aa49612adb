import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../data/client.ts";
import { logIn, session } from "../data/session.ts";
import { useStore } from "../data/store.ts";
import { go, route } from "../router.ts";
import { Button, TextField } from "../ui/controls.tsx";
import { Failure } from "../ui/page.tsx";
import { Gate } from "../ui/shell.tsx";
import { Notice } from "../ui/status.tsx";

/** Takes a token, and nothing else: the API gives a cookie for it. */
export function LoginPage({ ended }: { readonly ended: boolean }): JSX.Element {
  const [token, setToken] = useState("");
  const [error, setError] = useState<ApiError>();
  const [isBusy, setBusy] = useState(false);
  const who = useStore(session);
  useEffect(() => {
    document.title = "Log in · Gatewright";
  }, []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await logIn(token.trim());
      if (route.value.path[0] === "login") go("#/");
    } catch (thrown) {
      if (thrown instanceof ApiError) setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="alone">
      <h1 class="brand">
        <Gate />
        Gatewright
      </h1>
      {ended && (
        <Notice tone="warn" title="Your session has ended">
          <p>Log in again; this page goes on where it was.</p>
        </Notice>
      )}
      {error && <Failure error={error} />}
      <form onSubmit={(event) => void submit(event)}>
        <TextField
          label="Token"
          type="password"
          autocomplete="current-password"
          value={token}
          onInput={setToken}
          hint={
            <>
              One that was made here (<code>gw_…</code>), or a JWT. The browser keeps a session for it, and
              not the token.
            </>
          }
        />
        <div class="actions">
          <Button
            type="submit"
            kind="primary"
            busy={isBusy}
            blocked={token.trim() === "" ? "Enter a token first." : undefined}
          >
            Log in
          </Button>
          {who?.kind === "open" && (
            <a class="button" href="#/">
              Go on without one
            </a>
          )}
        </div>
      </form>
      <p class="hint">
        No token yet? On the machine itself: <code>gatewright token create</code>.
      </p>
    </main>
  );
}
