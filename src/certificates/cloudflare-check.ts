import Cloudflare from "cloudflare";

export interface CloudflareCheckOptions {
  readonly token: string;
  /** Names that get certificates by DNS-01; `*` allowed. */
  readonly names: readonly string[];
  /** Default: the real API. */
  readonly baseUrl?: string;
  /** Default 5,000. */
  readonly timeoutMs?: number;
  /** Ends the questions. */
  readonly signal?: AbortSignal;
}

/** What was found out. */
export interface CloudflareFindings {
  /** Whether every name can be validated. */
  readonly isFit: boolean;
  /** One sentence each, with the remedy where something is missing. */
  readonly lines: readonly string[];
}

/** More names than this are not looked at one by one. */
const MOST_NAMES = 1_000;

/**
 * Verifies the token, finds the zone of each name and whether the token may edit its records. Never throws; changes
 * nothing at Cloudflare.
 */
export async function checkCloudflare(options: CloudflareCheckOptions): Promise<CloudflareFindings> {
  const client = new Cloudflare({
    apiToken: options.token,
    maxRetries: 1,
    timeout: options.timeoutMs ?? 5_000,
    ...(options.baseUrl === undefined ? {} : { baseURL: options.baseUrl }),
  });
  try {
    const verified = await client.user.tokens.verify(requestOptions(options));
    if (verified?.status !== "active") {
      return unfit(
        `Cloudflare: the token is ${verified?.status ?? "unknown"}; make a new one, set CLOUDFLARE_API_TOKEN`,
      );
    }
    return await checkZones(client, options);
  } catch (error) {
    return unfit(reasonOf(error, options.token));
  }
}

async function checkZones(client: Cloudflare, options: CloudflareCheckOptions): Promise<CloudflareFindings> {
  const { names } = options;
  const zones = new Map<string, readonly string[]>();
  // The pages of all zones that the token sees.
  for await (const zone of client.zones.list({ per_page: 50 }, requestOptions(options)))
    zones.set(zone.name, (zone as { permissions?: readonly string[] }).permissions ?? []);
  const lines: string[] = [
    `Cloudflare: the token is active and sees ${zones.size} zone${zones.size === 1 ? "" : "s"}`,
  ];
  let isFit = true;
  const needed = new Set<string>();
  for (const name of names.slice(0, MOST_NAMES)) {
    const zone = zoneOf(name, zones);
    if (zone !== undefined) needed.add(zone);
    else {
      isFit = false;
      lines.push(`${name}: the token sees no zone for it; add the zone to the token's zone resources`);
    }
  }
  for (const zone of needed) {
    const permissions = zones.get(zone) ?? [];
    // Cloudflare lists what the token's user may do; absent means it does not say.
    const mayEdit =
      permissions.length === 0 || permissions.some((one) => /^#(?:dns_records|zone):edit$/.test(one));
    if (!mayEdit) isFit = false;
    lines.push(
      mayEdit ? `zone ${zone}: found` : `zone ${zone}: the token may not edit records; give it DNS:Edit`,
    );
  }
  return { isFit, lines };
}

function requestOptions({ signal }: CloudflareCheckOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

/** The longest zone that the name is in. */
function zoneOf(name: string, zones: ReadonlyMap<string, unknown>): string | undefined {
  const labels = name.replace(/^(?:\*\.)+/, "").split(".");
  for (let first = 0; first < labels.length; first += 1) {
    const zone = labels.slice(first).join(".");
    if (zones.has(zone)) return zone;
  }
  return undefined;
}

function unfit(line: string): CloudflareFindings {
  return { isFit: false, lines: [line] };
}

function reasonOf(error: unknown, token: string): string {
  const status = error instanceof Cloudflare.APIError ? error.status : undefined;
  if (status === 400 || status === 401 || status === 403)
    return "Cloudflare: the token is refused; check CLOUDFLARE_API_TOKEN and that it has Zone:Read and DNS:Edit";
  const message = error instanceof Error ? error.message : String(error);
  return `Cloudflare could not be asked: ${message.replaceAll(token, "[redacted]")}`;
}
