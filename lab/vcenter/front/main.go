// A vCenter for tests: govmomi's simulator behind a front of its own that can be slow, fail, lose replies, fall silent,
// end sessions and answer in pages. Everything is steered through a control port on loopback.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"sort"
	"syscall"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
)

type options struct {
	address, certificate, key, names, user, password, identity, ready string
	machines                                                          int
}

func main() {
	var o options
	flag.StringVar(&o.address, "address", "127.0.0.2:0", "where the vCenter listens")
	flag.StringVar(&o.certificate, "certificate", "", "PEM file; without it the front speaks plain HTTP")
	flag.StringVar(&o.key, "key", "", "PEM file of the private key")
	flag.StringVar(&o.names, "names", "", "JSON file: the names of the machines")
	flag.StringVar(&o.identity, "identity", uuid.New().String(), "instanceUuid of this vCenter")
	flag.StringVar(&o.ready, "ready", "", "JSON file to write when everything listens")
	flag.IntVar(&o.machines, "machines", 0, "how many machines, when there is no names file")
	flag.Parse()
	// The password comes by the environment: an argument would be there for all to read.
	o.user, o.password = os.Getenv("VCENTER_USER"), os.Getenv("VCENTER_PASSWORD")

	model := inventory(o)
	defer model.Remove()
	front := newFront(model.Service, o)
	serve(front, o)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
}

// inventory creates one datacenter with one cluster of one host, and the machines under their names.
func inventory(o options) *simulator.Model {
	var names []string
	if o.names != "" {
		text, err := os.ReadFile(o.names)
		must(err)
		must(json.Unmarshal(text, &names))
		o.machines = len(names)
	}
	model := simulator.VPX()
	model.Host, model.Cluster, model.ClusterHost = 0, 1, 1
	model.Machine = o.machines
	must(model.Create())
	si := simulator.Map.Get(serviceInstance).(*simulator.ServiceInstance)
	si.Content.About.InstanceUuid = o.identity
	for i, machine := range allMachines() {
		settle(machine)
		if i < len(names) {
			rename(machine, names[i])
		}
	}
	settleDatastores()
	return model
}

func serve(f *front, o options) {
	control, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go func() { log.Fatal(http.Serve(control, http.HandlerFunc(f.control))) }()
	listener, err := net.Listen("tcp", o.address)
	must(err)
	door := &door{Listener: listener, front: f}
	server := &http.Server{Handler: f, ErrorLog: log.New(os.Stderr, "front: ", 0)}
	if o.certificate == "" {
		go func() { log.Fatal(server.Serve(door)) }()
	} else {
		must(f.loadCertificate(o.certificate, o.key))
		server.TLSConfig = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.certificate, nil
		}}
		go func() { log.Fatal(server.ServeTLS(door, "", "")) }()
	}
	announce(o.ready, map[string]interface{}{
		"port":    listener.Addr().(*net.TCPAddr).Port,
		"control": control.Addr().(*net.TCPAddr).Port,
		"pid":     os.Getpid(),
	})
}

// announce writes the ready file in one move, so that a reader never sees half of it.
func announce(path string, what map[string]interface{}) {
	text, err := json.Marshal(what)
	must(err)
	must(os.WriteFile(path+".new", text, 0o600))
	must(os.Rename(path+".new", path))
}

func allMachines() []*simulator.VirtualMachine {
	var machines []*simulator.VirtualMachine
	for _, entity := range simulator.Map.All("VirtualMachine") {
		machines = append(machines, entity.(*simulator.VirtualMachine))
	}
	sort.Slice(machines, func(i, j int) bool { return number(machines[i].Self.Value) < number(machines[j].Self.Value) })
	return machines
}

// number is the count in a moId like "vm-42", the order of creation.
func number(id string) int {
	var n int
	_, _ = fmt.Sscanf(id, "vm-%d", &n)
	return n
}

// credentials makes the simulator refuse every other login; by default it takes anything.
func credentials(o options) *url.URL {
	return &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(o.user, o.password)}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
