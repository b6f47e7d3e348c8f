package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

const sessionCookie = "vmware_soap_session"

var serviceInstance = vim25.ServiceInstance

// fault is something a method will do wrong, for a number of calls; a negative number is for ever.
type fault struct {
	kind  string
	times int
}

// front stands between the client and the simulator.
type front struct {
	back   http.Handler
	client *vim25.Client
	user   string

	// world keeps the levers from moving an object while the simulator reads it.
	world sync.RWMutex

	mu          sync.Mutex
	certificate *tls.Certificate
	faults      map[string]*fault
	latency     time.Duration
	muted       chan struct{} // closed when the front may speak again; nil when it speaks
	skew        time.Duration
	compress    bool
	pageSize    int
	pages       map[string]page
	tokens      int
	hidden      map[string][]string // moId -> paths nobody may read
	taskTime    time.Duration       // how long the tasks of changes take
	taskFaults  map[string]*fault   // method -> the fault that its next tasks end with
	calls       map[string]int
	sent        int64
	opened      map[string]struct{} // keys of all sessions ever opened
	held        []net.Conn          // accepted while mute, never answered

	real map[string]*hypervisor // moId -> what a machine is coupled to; guarded by world
}

func newFront(service *simulator.Service, o options) *front {
	service.TLS = nil
	service.Listen = credentials(o)
	service.NewServer() // the stock server on a private port; it also completes the service's handler
	client, err := vim25.NewClient(context.Background(), service)
	must(err)
	return &front{
		back:       service.ServeMux,
		client:     client,
		user:       o.user,
		opened:     map[string]struct{}{},
		faults:     map[string]*fault{},
		pages:      map[string]page{},
		hidden:     map[string][]string{},
		taskFaults: map[string]*fault{},
		calls:      map[string]int{},
		real:       map[string]*hypervisor{},
	}
}

func (f *front) loadCertificate(certificate, key string) error {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.certificate = &pair
	f.mu.Unlock()
	return nil
}

// ServeHTTP answers one request: as the simulator does, unless a lever says otherwise.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(request))
	call := parse(request)
	if call.method == "" {
		call.method = r.Method + " " + r.URL.Path
	}
	kind := f.begin(call.method)
	if f.silent(r, kind == "hang") {
		return
	}
	if misbehave(w, kind) {
		return
	}
	status, answer := f.answer(call, r)
	f.mu.Lock()
	f.sent += int64(len(answer.body))
	f.mu.Unlock()
	deliver(w, kind, status, f.packed(r, answer))
}

// packed compresses an answer as a vCenter does, when that lever is set and the client takes it.
func (f *front) packed(r *http.Request, plain reply) reply {
	f.mu.Lock()
	wanted := f.compress
	f.mu.Unlock()
	if !wanted || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		return plain
	}
	var body bytes.Buffer
	writer := gzip.NewWriter(&body)
	_, _ = writer.Write(plain.body)
	_ = writer.Close()
	header := plain.header.Clone()
	header.Set("Content-Encoding", "gzip")
	return reply{header, body.Bytes()}
}

// begin counts a call, waits for the latency, and says what the call is to do wrong.
func (f *front) begin(method string) string {
	f.mu.Lock()
	f.calls[method]++
	latency, kind := f.latency, ""
	if planned := f.faults[method]; planned != nil {
		kind = planned.kind
		if planned.times--; planned.times == 0 {
			delete(f.faults, method)
		}
	}
	f.mu.Unlock()
	time.Sleep(latency)
	return kind
}

// silent holds the request back while the front is mute; true when it was given up meanwhile.
func (f *front) silent(r *http.Request, hang bool) bool {
	f.mu.Lock()
	muted := f.muted
	f.mu.Unlock()
	if hang {
		muted = make(chan struct{})
	}
	if muted == nil {
		return false
	}
	select {
	case <-muted:
		return false
	case <-r.Context().Done():
		return true
	}
}

type reply struct {
	header http.Header
	body   []byte
}

// answer asks the simulator, or stands in for it where it differs from a real vCenter.
func (f *front) answer(call call, r *http.Request) (int, reply) {
	if call.method == "CurrentTime" && f.authenticated(r) {
		return http.StatusOK, f.currentTime()
	}
	if reads[call.method] && call.needsSession && !f.authenticated(r) {
		return http.StatusInternalServerError, soapFault("NotAuthenticated")
	}
	if f.authenticated(r) {
		if call.method == "RebootGuest" {
			return f.rebootGuest(call)
		}
		if answered, ours := f.change(call); ours {
			return http.StatusOK, answered
		}
	}
	if call.method == "ContinueRetrievePropertiesEx" || call.method == "CancelRetrievePropertiesEx" {
		return f.nextPage(call, cookieOf(r))
	}
	recorder := httptest.NewRecorder()
	f.world.RLock()
	f.back.ServeHTTP(recorder, r)
	f.world.RUnlock()
	if call.method == "Login" {
		f.remember(recorder.Header())
	}
	answered := reply{recorder.Header(), recorder.Body.Bytes()}
	if call.method == "RetrievePropertiesEx" && recorder.Code == http.StatusOK {
		answered.body = f.firstPage(f.withhold(answered.body), cookieOf(r), call.maximum)
	}
	return recorder.Code, answered
}

// reads are the calls that the simulator answers without a session, and a vCenter does not.
var reads = map[string]bool{
	"RetrieveProperties": true, "RetrievePropertiesEx": true, "ContinueRetrievePropertiesEx": true,
	"CancelRetrievePropertiesEx": true,
}

func (f *front) currentTime() reply {
	f.mu.Lock()
	now := time.Now().Add(f.skew)
	f.mu.Unlock()
	return soapReply("CurrentTime", "<returnval>"+now.UTC().Format(time.RFC3339Nano)+"</returnval>")
}

func (f *front) authenticated(r *http.Request) bool {
	return f.active(cookieOf(r))
}

// active asks the simulator whether a session is still open.
func (f *front) active(key string) bool {
	if key == "" {
		return false
	}
	request := types.SessionIsActive{This: simulator.Map.SessionManager().Self, SessionID: key, UserName: f.user}
	answer, err := methods.SessionIsActive(context.Background(), f.client, &request)
	return err == nil && answer.Returnval
}

// sessions lists the open sessions among all that were ever opened through the front.
func (f *front) sessions() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	open := []string{}
	for key := range f.opened {
		if f.active(key) {
			open = append(open, key)
		}
	}
	return open
}

// remember keeps the key of a session that a login has just opened.
func (f *front) remember(header http.Header) {
	for _, cookie := range (&http.Response{Header: header}).Cookies() {
		if cookie.Name == sessionCookie {
			f.mu.Lock()
			f.opened[cookie.Value] = struct{}{}
			f.mu.Unlock()
		}
	}
}

// endSessions makes every session end as if its idle limit had passed.
func (f *front) endSessions() error {
	request := types.TerminateSession{This: simulator.Map.SessionManager().Self, SessionId: f.sessions()}
	if len(request.SessionId) == 0 {
		return nil
	}
	_, err := methods.TerminateSession(context.Background(), f.client, &request)
	return err
}

func cookieOf(r *http.Request) string {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	return cookie.Value
}
