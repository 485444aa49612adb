import ipaddr from "ipaddr.js";
import { expect, it } from "vitest";
import { destinations } from "../../src/model/special-address.ts";

it.each<[address: string, ...destinations: string[]]>([
  ["192.0.2.1", "192.0.2.1"],
  ["2001:db8::1", "2001:db8::1"],
  ["::", "::"],
  ["::1", "::1"],
  ["::ffff:127.0.0.1", "127.0.0.1"],
  ["::7f00:1", "::7f00:1", "127.0.0.1"],
  ["::ffff:0:127.0.0.1", "::ffff:0:7f00:1", "127.0.0.1"],
  ["64:ff9b::7f00:1", "64:ff9b::7f00:1", "127.0.0.1"],
  ["2002:7f00:1::5", "2002:7f00:1::5", "127.0.0.1"],
  // RFC 4380 section 4: the client's address with each bit turned.
  ["2001::5:6:80ff:fffe", "2001::5:6:80ff:fffe", "127.0.0.1"],
])("packets for %s end at %s %s", (address, ...ends) => {
  const found = destinations(ipaddr.parse(address)).map(String);
  expect(found).toEqual(ends.map((end) => ipaddr.parse(end).toString()));
});
