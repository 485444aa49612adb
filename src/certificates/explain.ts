/** What the words of an authority, a DNS provider or the network mean for an operator. The first that fits is taken. */
const meanings: readonly (readonly [RegExp, string])[] = [
  [
    /Invalid access token|Authentication error|"?code"?:? ?(?:9109|10000)|HTTP 40[13].*cloudflare|got error status: HTTP 40[013]/i,
    "Cloudflare refused the token: CLOUDFLARE_API_TOKEN must be valid and have Zone:Read and DNS:Edit for the zone",
  ],
  [
    /expected 1 zone, got 0/i,
    "the Cloudflare token sees no such zone: include it in the token's zone resources, or check that Cloudflare hosts the name",
  ],
  [
    /timed out waiting for record|propagat/i,
    "the DNS-01 record was not visible in time: check DNS_RESOLVERS, or raise DNS_PROPAGATION_TIMEOUT",
  ],
  [
    /rateLimited|too many/i,
    "the authority limits its rate; it is tried again later. Test with ACME_CA=staging, share wildcards (TLS_PREFER_WILDCARD)",
  ],
  [
    /externalAccountRequired|external account/i,
    "the authority demands an external account binding: set ACME_EAB_KEY_ID and ACME_EAB_HMAC_KEY",
  ],
  [
    /\bcaa\b/i,
    "a CAA record of the domain forbids this authority: add the authority to the record, or set another ACME_CA",
  ],
  [
    /(?:order|authorization) took too long/i,
    "the authority left the order undecided until its time was over (ACME_TIMEOUT); it is tried again. Check that it reaches this machine by the name, on HTTP_PORT and HTTPS_PORT as 80 and 443; the authority's own log or status page has its reason",
  ],
  [
    /certificate signed by unknown authority|certificate is not trusted|x509: /i,
    "the authority's own server is not trusted: set ACME_CA_ROOT to its root",
  ],
  [
    /rejectedIdentifier|policy forbids|not a valid public|invalidDomain/i,
    "the authority does not issue for this name: use a name that its policy allows, or set another ACME_CA",
  ],
  [
    /urn:ietf:params:acme:error:(?:unauthorized|connection|dns|tls)|NXDOMAIN|Timeout during connect/i,
    "the authority could not reach this machine by the name: its DNS records must lead here, with HTTP_PORT and HTTPS_PORT open as 80 and 443",
  ],
  [
    /connection refused|no such host|i\/o timeout|context deadline|EOF|connection reset/i,
    "the authority does not answer; it is tried again. Check ACME_CA and the way there: gatewright doctor asks it",
  ],
];

/** The reason in an operator's words, with the original behind it. */
export function explainFailure(error: string): string {
  const short = error.length > 1_000 ? `${error.slice(0, 1_000)}…` : error;
  const meaning = meanings.find(([pattern]) => pattern.test(error))?.[1];
  return meaning === undefined ? short : `${meaning} (${short})`;
}
