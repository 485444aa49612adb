/** Whether a certificate with these names is valid for a hostname (`*` for captures), by RFC 6125 section 6.4.3. */
export function coversName(names: readonly string[], hostShape: string): boolean {
  const parent = hostShape.slice(hostShape.indexOf(".") + 1);
  return names.some((name) => {
    const lower = name.toLowerCase();
    return lower === hostShape || (hostShape.includes(".") && lower === `*.${parent}`);
  });
}
