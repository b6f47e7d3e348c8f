package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
)

const (
	envelopeOpen = `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope` +
		` xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"` +
		` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>`
	envelopeClose = `</soapenv:Body></soapenv:Envelope>`
	dripPause     = 100 * time.Millisecond
)

var (
	bodyPattern    = regexp.MustCompile(`<(?:\w+:)?Body[^>]*>\s*<(\w+)`)
	tokenPattern   = regexp.MustCompile(`<token[^>]*>([^<]*)</token>`)
	maximumPattern = regexp.MustCompile(`<maxObjects[^>]*>(\d+)</maxObjects>`)
	openObject     = []byte("<objects>")
	closeObject    = []byte("</objects>")
	objectPattern  = regexp.MustCompile(`<obj [^>]*>([^<]*)</obj>`)
)

// call is what the front needs to know of a request.
type call struct {
	method, token string
	maximum       int
	needsSession  bool
	request       []byte
}

func parse(request []byte) call {
	c := call{request: request}
	if found := bodyPattern.FindSubmatch(request); found != nil {
		c.method = string(found[1])
	}
	if found := tokenPattern.FindSubmatch(request); found != nil {
		c.token = string(found[1])
	}
	if found := maximumPattern.FindSubmatch(request); found != nil {
		_, _ = fmt.Sscan(string(found[1]), &c.maximum)
	}
	// Reading the service content is how a client begins, before it has a session.
	c.needsSession = !bytes.Contains(request, []byte(`<obj type="ServiceInstance"`))
	return c
}

func soapReply(method, inside string) reply {
	text := envelopeOpen + "<" + method + `Response xmlns="urn:vim25">` + inside + "</" + method + "Response>" + envelopeClose
	return reply{http.Header{"Content-Type": {"text/xml; charset=utf-8"}}, []byte(text)}
}

// soapFault is a fault of the API by its type name, without details of its own.
func soapFault(name string) reply {
	text := envelopeOpen + "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>" + name +
		" by order of the lab</faultstring><detail><" + name + `Fault xmlns="urn:vim25" xsi:type="` + name +
		`"></` + name + "Fault></detail></soapenv:Fault>" + envelopeClose
	return reply{http.Header{"Content-Type": {"text/xml; charset=utf-8"}}, []byte(text)}
}

// misbehave answers in the simulator's place when the planned fault wants the call not to happen.
func misbehave(w http.ResponseWriter, kind string) bool {
	switch kind {
	case "", "hang", "lost", "drip", "truncate":
		return false
	case "refuse": // the connection drops before the call was looked at
		hangUp(w)
	case "http503":
		w.WriteHeader(http.StatusServiceUnavailable)
	case "garbage":
		_, _ = w.Write([]byte("<html><body>Welcome to the appliance</body></html>"))
	default:
		write(w, http.StatusInternalServerError, soapFault(kind))
	}
	return true
}

// deliver hands over what the simulator answered, or fails to.
func deliver(w http.ResponseWriter, kind string, status int, r reply) {
	switch kind {
	case "lost": // the call was done and its answer never arrives
		hangUp(w)
	case "truncate":
		w.Header().Set("Content-Length", fmt.Sprint(len(r.body)))
		r.body = r.body[:len(r.body)/2]
		write(w, status, r)
		hangUp(w)
	case "drip":
		drip(w, status, r)
	default:
		write(w, status, r)
	}
}

func write(w http.ResponseWriter, status int, r reply) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
	_, _ = w.Write(r.body)
}

// drip sends one byte at a time, slowly enough that no read ever times out and the whole never ends.
func drip(w http.ResponseWriter, status int, r reply) {
	w.Header().Set("Content-Length", fmt.Sprint(len(r.body)))
	w.WriteHeader(status)
	for i := range r.body {
		if _, err := w.Write(r.body[i : i+1]); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		time.Sleep(dripPause)
	}
}

func hangUp(w http.ResponseWriter) {
	if connection, _, err := w.(http.Hijacker).Hijack(); err == nil {
		_ = connection.Close()
	}
}

// page is the rest of an answer, waiting for its token; it belongs to one session and is handed out once.
type page struct {
	session string
	size    int
	objects [][]byte
}

// objectsOf splits a RetrievePropertiesEx answer into what stands before, its objects, and what stands after.
func objectsOf(body []byte) (before []byte, objects [][]byte, after []byte) {
	start, end := bytes.Index(body, openObject), bytes.LastIndex(body, closeObject)
	if start < 0 || end < 0 {
		return body, nil, nil
	}
	end += len(closeObject)
	for _, part := range bytes.SplitAfter(body[start:end], closeObject) {
		if len(part) > 0 {
			objects = append(objects, part)
		}
	}
	return body[:start], objects, body[end:]
}

// firstPage cuts an answer down to a page, with a token for the rest. The simulator itself always answers at once.
func (f *front) firstPage(body []byte, session string, maximum int) []byte {
	before, objects, after := objectsOf(body)
	f.mu.Lock()
	defer f.mu.Unlock()
	size := f.pageSize
	if size == 0 || (maximum > 0 && maximum < size) {
		size = maximum
	}
	token := ""
	if size > 0 && len(objects) > size {
		token = f.keep(page{session, size, objects[size:]})
		objects = objects[:size]
	}
	return bytes.Join([][]byte{before, []byte(token), bytes.Join(objects, nil), after}, nil)
}

// keep stores a rest and returns the token element for it; the caller holds the lock.
func (f *front) keep(rest page) string {
	f.tokens++
	token := fmt.Sprintf("page-%d", f.tokens)
	f.pages[token] = rest
	return "<token>" + token + "</token>"
}

// nextPage answers ContinueRetrievePropertiesEx and CancelRetrievePropertiesEx.
func (f *front) nextPage(c call, session string) (int, reply) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rest, known := f.pages[c.token]
	if !known || rest.session != session {
		return http.StatusInternalServerError, soapFault("InvalidArgument")
	}
	delete(f.pages, c.token)
	if c.method == "CancelRetrievePropertiesEx" {
		return http.StatusOK, soapReply(c.method, "")
	}
	token := ""
	if len(rest.objects) > rest.size {
		token = f.keep(page{session, rest.size, rest.objects[rest.size:]})
		rest.objects = rest.objects[:rest.size]
	}
	return http.StatusOK, soapReply(c.method, "<returnval>"+token+string(bytes.Join(rest.objects, nil))+"</returnval>")
}

// withhold replaces hidden properties by entries of the missingSet, as a vCenter does for what a user may not read.
func (f *front) withhold(body []byte) []byte {
	f.mu.Lock()
	hidden := f.hidden
	f.mu.Unlock()
	if len(hidden) == 0 {
		return body
	}
	before, objects, after := objectsOf(body)
	for i, object := range objects {
		if found := objectPattern.FindSubmatch(object); found != nil {
			for _, path := range hidden[string(found[1])] {
				objects[i] = withoutProperty(objects[i], path)
			}
		}
	}
	return bytes.Join([][]byte{before, bytes.Join(objects, nil), after}, nil)
}

func withoutProperty(object []byte, path string) []byte {
	text := string(object)
	start := strings.Index(text, "<propSet><name>"+path+"</name>")
	if start >= 0 {
		end := start + strings.Index(text[start:], "</propSet>") + len("</propSet>")
		text = text[:start] + text[end:]
	}
	missing := "<missingSet><path>" + path + `</path><fault><fault xsi:type="NoPermission"><privilegeId>System.Read` +
		"</privilegeId></fault><localizedMessage></localizedMessage></fault></missingSet>"
	return []byte(strings.TrimSuffix(text, string(closeObject)) + missing + string(closeObject))
}

// door is the listener: while the front is mute it accepts, and then never says a word.
type door struct {
	net.Listener
	front *front
}

func (d *door) Accept() (net.Conn, error) {
	for {
		connection, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if !d.front.hold(connection) {
			return connection, nil
		}
	}
}

// hold keeps a connection unanswered when the front is mute.
func (f *front) hold(connection net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.muted != nil {
		f.held = append(f.held, connection)
	}
	return f.muted != nil
}

// mute makes the front accept and never answer, or lets it speak again; connections held meanwhile are dropped.
func (f *front) mute(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if on && f.muted == nil {
		f.muted = make(chan struct{})
	}
	if !on && f.muted != nil {
		close(f.muted)
		f.muted = nil
		for _, connection := range f.held {
			_ = connection.Close()
		}
		f.held = nil
	}
}
