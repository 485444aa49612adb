/** Takes secrets and paths of this machine out of a text that others will read. */
export type Scrub = (text: string) => string;

/** Folders of a Unix machine whose paths say more about it than about an ingress. */
const MACHINE_FOLDERS = "bin|boot|data|dev|etc|home|lib|media|mnt|opt|proc|root|run|srv|sys|tmp|usr|var|work";
const MACHINE_PATH = new RegExp(`(?<![\\w/.:-])/(?:${MACHINE_FOLDERS})(?:/[\\w.@+~-]+)+/?`, "g");

/**
 * A function that replaces every secret by `[redacted]`, also where Go or JSON quoted it, and every path of the
 * machine by its last part.
 * @param secrets values to hide; those shorter than 4 characters are left, since they would tear words apart. Others may be
 *   added to the list later
 * @param folders further folders whose paths are shortened, such as DATA_DIR
 */
export function createScrub(secrets: readonly string[], folders: readonly string[] = []): Scrub {
  let forms = formsOf(secrets);
  let known = secrets.length;
  const own = folders.filter((folder) => folder.length > 1).map((folder) => folder.replace(/\/+$/, ""));
  return (text) => {
    if (secrets.length !== known) {
      forms = formsOf(secrets);
      known = secrets.length;
    }
    let clean = text;
    for (const form of forms) clean = clean.replaceAll(form, "[redacted]");
    for (const folder of own) clean = clean.replaceAll(`${folder}/`, "").replaceAll(folder, "");
    return clean.replace(MACHINE_PATH, (match) => match.replace(/\/$/, "").split("/").at(-1) ?? "");
  };
}

/** What secrets look like in texts; the longest first: a secret may be the start of another one. */
function formsOf(secrets: readonly string[]): readonly string[] {
  return secrets
    .filter((secret) => secret.length >= 4)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)])
    .sort((one, other) => other.length - one.length);
}
