package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// order is one request to the control port.
type order struct {
	Op       string          `json:"op"`
	VM       string          `json:"vm"`
	Kind     string          `json:"kind"`
	Name     string          `json:"name"`
	Path     string          `json:"path"`
	Value    json.RawMessage `json:"value"`
	Seconds  float64         `json:"seconds"`
	Count    int             `json:"count"`
	On       bool            `json:"on"`
	Snapshot snapshotOrder   `json:"snapshot"`
	Bytes    int64           `json:"bytes"`
	Key      string          `json:"key"`
	Command  []string        `json:"command"`
}

// control carries out orders; the answer is JSON, an error is status 400 with its text.
func (f *front) control(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := f.carryOut(o)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (f *front) carryOut(o order) (interface{}, error) {
	if act, known := f.manners()[o.Op]; known {
		return act(o)
	}
	if act, known := worldly[o.Op]; known {
		f.world.Lock()
		defer f.world.Unlock()
		return nil, act(f, o)
	}
	machine, err := machineNamed(o.VM)
	if err != nil {
		return nil, err
	}
	if o.Op == "snapshots" {
		f.world.RLock()
		defer f.world.RUnlock()
		return snapshotNames(machine), nil
	}
	act, known := mechanical[o.Op]
	if !known {
		return nil, fmt.Errorf("unknown order %q", o.Op)
	}
	f.world.Lock()
	defer f.world.Unlock()
	return nil, act(f, machine, o)
}

// manners are the orders about how the front answers.
func (f *front) manners() map[string]func(order) (interface{}, error) {
	return map[string]func(order) (interface{}, error){
		"report":      func(order) (interface{}, error) { return f.report(), nil },
		"mute":        func(o order) (interface{}, error) { f.mute(o.On); return nil, nil },
		"expire":      func(order) (interface{}, error) { return nil, f.endSessions() },
		"certificate": func(o order) (interface{}, error) { return nil, f.loadCertificate(o.Path, o.Key) },
		"set-manner":  func(o order) (interface{}, error) { return nil, f.setManner(o) },
	}
}

func (f *front) setManner(o order) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch o.Kind {
	case "fault":
		f.faults[o.Name] = &fault{o.Path, o.Count}
	case "task-fault":
		f.taskFaults[o.Name] = &fault{o.Path, o.Count}
	case "task-time":
		f.taskTime = seconds(o.Seconds)
	case "latency":
		f.latency = seconds(o.Seconds)
	case "skew":
		f.skew = seconds(o.Seconds)
	case "compress":
		f.compress = o.On
	case "pages":
		f.pageSize = o.Count
	case "forget":
		f.calls, f.sent = map[string]int{}, 0
	case "mend":
		f.faults, f.latency, f.skew, f.pageSize, f.compress = map[string]*fault{}, 0, 0, 0, false
		f.hidden, f.taskFaults, f.taskTime = map[string][]string{}, map[string]*fault{}, 0
	default:
		return fmt.Errorf("unknown manner %q", o.Kind)
	}
	return nil
}

func (f *front) report() map[string]interface{} {
	sessions := f.sessions()
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := map[string]int{}
	for method, count := range f.calls {
		calls[method] = count
	}
	machines := map[string]string{}
	for _, machine := range allMachines() {
		machines[machine.Name] = machine.Self.Value
	}
	return map[string]interface{}{
		"calls": calls, "bytes": f.sent, "sessions": len(sessions), "machines": machines, "held": len(f.held),
	}
}

// worldly are the orders that are not about one existing machine.
var worldly = map[string]func(*front, order) error{
	"add-machine": func(f *front, o order) error { return f.addMachine(o.Name) },
	"set-object": func(_ *front, o order) error {
		for _, entity := range simulator.Map.All(o.Kind) {
			if o.Name == "" || entity.Entity().Name == o.Name {
				return assign(entity, o.Path, o.Value)
			}
		}
		return fmt.Errorf("no %s is named %q", o.Kind, o.Name)
	},
	"attribute": func(f *front, o order) error { return f.setAttribute(o) },
}

// mechanical are the orders about one machine.
var mechanical = map[string]func(*front, *simulator.VirtualMachine, order) error{
	"rename":         func(_ *front, vm *simulator.VirtualMachine, o order) error { rename(vm, o.Name); return nil },
	"remove-machine": func(f *front, vm *simulator.VirtualMachine, _ order) error { return f.removeMachine(vm) },
	"set":            func(_ *front, vm *simulator.VirtualMachine, o order) error { return assign(vm, o.Path, o.Value) },
	"clear":          func(_ *front, vm *simulator.VirtualMachine, o order) error { return unset(vm, o.Path) },
	"snapshot":       func(f *front, vm *simulator.VirtualMachine, o order) error { return f.addSnapshot(vm, o.Snapshot) },
	"drop-snapshots": func(_ *front, vm *simulator.VirtualMachine, _ order) error { return dropSnapshots(vm) },
	"orphan":         func(_ *front, vm *simulator.VirtualMachine, o order) error { growChain(vm, o.Bytes); return nil },
	"forget-tasks":   func(_ *front, vm *simulator.VirtualMachine, _ order) error { return forgetTasks(vm) },
	"device":         func(_ *front, vm *simulator.VirtualMachine, o order) error { return addDevice(vm, o) },
	"couple":         func(f *front, vm *simulator.VirtualMachine, o order) error { f.couple(vm, o.Command); return nil },
	"hide": func(f *front, vm *simulator.VirtualMachine, o order) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		hidden := map[string][]string{}
		for id, paths := range f.hidden {
			hidden[id] = paths
		}
		hidden[vm.Self.Value] = append(append([]string{}, hidden[vm.Self.Value]...), o.Path)
		f.hidden = hidden
		return nil
	},
}

func machineNamed(name string) (*simulator.VirtualMachine, error) {
	for _, machine := range allMachines() {
		if machine.Name == name {
			return machine, nil
		}
	}
	return nil, fmt.Errorf("no machine is named %q", name)
}

func rename(vm *simulator.VirtualMachine, name string) {
	vm.Name, vm.Config.Name, vm.Summary.Config.Name = name, name, name
}

// addMachine creates a powered-on machine with one disk, next to the others.
func (f *front) addMachine(name string) error {
	ctx := context.Background()
	var devices object.VirtualDeviceList
	controller, err := devices.CreateSCSIController("pvscsi")
	if err != nil {
		return err
	}
	disk := devices.CreateDisk(controller.(types.BaseVirtualController), types.ManagedObjectReference{},
		"[LocalDS_0] "+path.Join(name, "disk1.vmdk"))
	disk.CapacityInKB = 1024
	card := esx.EthernetCard
	devices = append(devices, controller, disk, &card)
	spec := types.VirtualMachineConfigSpec{
		Name: name, GuestId: string(types.VirtualMachineGuestOsIdentifierOtherGuest),
		Files: &types.VirtualMachineFileInfo{VmPathName: "[LocalDS_0]"},
	}
	spec.DeviceChange, _ = devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	center := simulator.Map.Any("Datacenter").(*simulator.Datacenter)
	pool := object.NewResourcePool(f.client, simulator.Map.Any("ResourcePool").Reference())
	task, err := object.NewFolder(f.client, center.VmFolder).CreateVM(ctx, spec, pool, nil)
	if err != nil {
		return err
	}
	made, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return err
	}
	settle(simulator.Map.Get(made.Result.(types.ManagedObjectReference)).(*simulator.VirtualMachine))
	task, err = object.NewVirtualMachine(f.client, made.Result.(types.ManagedObjectReference)).PowerOn(ctx)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

func (f *front) removeMachine(vm *simulator.VirtualMachine) error {
	ctx := context.Background()
	machine := object.NewVirtualMachine(f.client, vm.Self)
	if task, err := machine.PowerOff(ctx); err == nil {
		_ = task.Wait(ctx) // it may be off already
	}
	task, err := machine.Destroy(ctx)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

// setAttribute gives a machine a value of a custom attribute, which is defined when it is new.
func (f *front) setAttribute(o order) error {
	ctx := context.Background()
	machine, err := machineNamed(o.VM)
	if err != nil {
		return err
	}
	fields, err := object.GetCustomFieldsManager(f.client)
	if err != nil {
		return err
	}
	key, err := fields.FindKey(ctx, o.Name)
	if err != nil {
		definition, err := fields.Add(ctx, o.Name, "VirtualMachine", nil, nil)
		if err != nil {
			return err
		}
		key = definition.Key
	}
	var value string
	if err := json.Unmarshal(o.Value, &value); err != nil {
		return err
	}
	return fields.Set(ctx, machine.Self, key, value)
}

// field finds the Go field behind a property path such as "runtime.consolidationNeeded".
func field(entity mo.Reference, property string) (reflect.Value, error) {
	value := reflect.ValueOf(entity).Elem()
	for _, name := range strings.Split(property, ".") {
		for value.Kind() == reflect.Ptr {
			if value.IsNil() {
				value.Set(reflect.New(value.Type().Elem()))
			}
			value = value.Elem()
		}
		value = value.FieldByName(strings.ToUpper(name[:1]) + name[1:])
		if !value.IsValid() {
			return value, fmt.Errorf("%q is no property", property)
		}
	}
	return value, nil
}

func assign(entity mo.Reference, property string, text json.RawMessage) error {
	value, err := field(entity, property)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, value.Addr().Interface())
}

func unset(entity mo.Reference, property string) error {
	value, err := field(entity, property)
	if err == nil {
		value.Set(reflect.Zero(value.Type()))
	}
	return err
}

func seconds(count float64) time.Duration {
	return time.Duration(count * float64(time.Second))
}

// snapshotNames are the names of all snapshots, each before those upon it.
func snapshotNames(vm *simulator.VirtualMachine) []string {
	names := []string{}
	var walk func(nodes []types.VirtualMachineSnapshotTree)
	walk = func(nodes []types.VirtualMachineSnapshotTree) {
		for _, node := range nodes {
			names = append(names, node.Name)
			walk(node.ChildSnapshotList)
		}
	}
	walk(rootList(vm))
	return names
}
