const NEWLINE = 0x0a;

/** The JSON messages of a stream, one a line. Throws for one that has more bytes than `most`. */
export async function* messagesOf(stream: AsyncIterable<Buffer>, most: number): AsyncGenerator<unknown> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...waiting, chunk.subarray(start, end)]);
      waiting = [];
      bytes = 0;
      start = end + 1;
      if (line.length > 0) yield JSON.parse(line.toString());
    }
    waiting.push(chunk.subarray(start));
    bytes += chunk.length - start;
    if (bytes > most) throw new Error(`a message has more than ${most} bytes`);
  }
}
