package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"flag"
	"fmt"
	"net"
	"strings"
)

// runBackend answers every request with the local address that it came to, as `ip:port`, and echoes WebSocket
// messages, until the standard input ends.
func runBackend(args []string) error {
	flags := flag.NewFlagSet("backend", flag.ExitOnError)
	addresses := flags.String("listen", "", "ip:port, several with commas")
	_ = flags.Parse(args)
	for _, address := range strings.Split(*addresses, ",") {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		go acceptAll(listener)
	}
	if err := printReady(); err != nil {
		return err
	}
	<-inputEnd()
	return nil
}

func acceptAll(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go answerAll(conn)
	}
}

// answerAll answers requests without a body until the client closes.
func answerAll(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReaderSize(conn, 8<<10)
	body := conn.LocalAddr().String()
	response := fmt.Appendf(nil,
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for {
		key, err := readRequest(reader)
		if err != nil {
			return
		}
		if key != "" {
			echoMessages(conn, reader, key)
			return
		}
		if _, err := conn.Write(response); err != nil {
			return
		}
	}
}

// readRequest reads the head of a request and returns its Sec-WebSocket-Key, "" where there is none.
func readRequest(reader *bufio.Reader) (key string, err error) {
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return key, nil
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && equalFold(name, "sec-websocket-key") {
			key = string(bytes.TrimSpace(value))
		}
	}
}

func echoMessages(conn net.Conn, reader *bufio.Reader, key string) {
	// RFC 6455 section 4.2.2.
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	for err == nil {
		var message []byte
		if message, err = readFrame(reader); err == nil {
			_, err = conn.Write(textFrame(message, false))
		}
	}
}
