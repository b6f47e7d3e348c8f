package main

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// mostRecent is how many tasks a machine lists; a vCenter drops them ten minutes after their end.
const mostRecent = 20

// descriptions are the changes that become tasks of ours, by method: the simulator does the work before it answers and
// lists no task with the machine; a vCenter answers at once and works afterwards.
var descriptions = map[string]string{
	"CreateSnapshot_Task":     "VirtualMachine.createSnapshot",
	"RemoveSnapshot_Task":     "vm.Snapshot.remove",
	"RevertToSnapshot_Task":   "vm.Snapshot.revert",
	"ConsolidateVMDisks_Task": "VirtualMachine.consolidateDisks",
	"PowerOnVM_Task":          "VirtualMachine.powerOn",
	"PowerOffVM_Task":         "VirtualMachine.powerOff",
}

// change starts the task that a request asks for; false when it is none of ours, or about nothing that exists.
func (f *front) change(call call) (reply, bool) {
	description, known := descriptions[call.method]
	if !known {
		return reply{}, false
	}
	order, err := simulator.UnmarshalBody(vim25Types, call.request)
	if err != nil {
		return reply{}, false
	}
	f.world.Lock()
	defer f.world.Unlock()
	vm := machineOf(order.This)
	if vm == nil {
		return reply{}, false
	}
	length, fault := f.taskPlan(call.method)
	task := f.newTask(vm, description)
	work := func() {
		result, failure := f.carryOutTask(vm, order.Body, fault)
		f.endTask(task, result, failure)
	}
	if length == 0 {
		work()
	} else {
		time.AfterFunc(length, func() {
			f.world.Lock()
			defer f.world.Unlock()
			work()
		})
	}
	return soapReply(call.method, `<returnval type="Task">`+task.Self.Value+`</returnval>`), true
}

func vim25Types(name string) (reflect.Type, bool) { return types.TypeFunc()(name) }

func machineOf(ref types.ManagedObjectReference) *simulator.VirtualMachine {
	switch found := simulator.Map.Get(ref).(type) {
	case *simulator.VirtualMachine:
		return found
	case *simulator.VirtualMachineSnapshot:
		vm, _ := simulator.Map.Get(found.Vm).(*simulator.VirtualMachine)
		return vm
	}
	return nil
}

// taskPlan says how long the next task of a method takes, and the fault it ends with, if one is planned.
func (f *front) taskPlan(method string) (time.Duration, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	planned := f.taskFaults[method]
	if planned == nil {
		return f.taskTime, ""
	}
	if planned.times--; planned.times == 0 {
		delete(f.taskFaults, method)
	}
	return f.taskTime, planned.kind
}

func (f *front) newTask(vm *simulator.VirtualMachine, description string) *simulator.Task {
	task := simulator.CreateTask(vm, "change", nil)
	f.mu.Lock()
	now := time.Now().Add(f.skew)
	f.mu.Unlock()
	task.Info.DescriptionId, task.Info.State = description, types.TaskInfoStateRunning
	task.Info.QueueTime, task.Info.StartTime = now, &now
	vm.RecentTask = append(vm.RecentTask, task.Self)
	if len(vm.RecentTask) > mostRecent {
		vm.RecentTask = vm.RecentTask[1:]
	}
	return task
}

func (f *front) endTask(task *simulator.Task, result types.AnyType, failure *types.LocalizedMethodFault) {
	f.mu.Lock()
	now := time.Now().Add(f.skew)
	f.mu.Unlock()
	task.Info.CompleteTime, task.Info.State, task.Info.Result = &now, types.TaskInfoStateSuccess, result
	if failure != nil {
		task.Info.State, task.Info.Error = types.TaskInfoStateError, failure
	}
}

// carryOutTask lets the simulator do the work, and does what a datastore and a host would have done besides.
func (f *front) carryOutTask(
	vm *simulator.VirtualMachine, body interface{}, fault string,
) (types.AnyType, *types.LocalizedMethodFault) {
	if fault != "" {
		return nil, faultNamed(fault, vm)
	}
	tag, err := f.real[vm.Self.Value].carryOut(body)
	if err != nil {
		return nil, &types.LocalizedMethodFault{Fault: &types.GenericVmConfigFault{Reason: err.Error()}, LocalizedMessage: err.Error()}
	}
	ctx := context.Background()
	var made types.ManagedObjectReference
	after := func() {}
	switch b := body.(type) {
	case *types.CreateSnapshot_Task:
		frozen := copied(vm.LayoutEx.Disk)
		after = func() { f.settleSnapshot(vm, frozen, snapshotOrder{Memory: b.Memory, Size: gib / 64}) }
		made, err = returned(methods.CreateSnapshot_Task(ctx, f.client, b))
	case *types.RemoveSnapshot_Task:
		kept := keptLayout(vm, b.This)
		after = func() { kept.Timestamp, vm.LayoutEx = time.Now(), kept }
		made, err = returned(methods.RemoveSnapshot_Task(ctx, f.client, b))
	case *types.RevertToSnapshot_Task:
		after = func() { f.settleRevert(vm, b.This) }
		made, err = returned(methods.RevertToSnapshot_Task(ctx, f.client, b))
	case *types.PowerOnVM_Task:
		made, err = returned(methods.PowerOnVM_Task(ctx, f.client, b))
	case *types.PowerOffVM_Task:
		made, err = returned(methods.PowerOffVM_Task(ctx, f.client, b))
	case *types.ConsolidateVMDisks_Task: // the simulator has none
		vm.Runtime.ConsolidationNeeded = types.NewBool(false)
		return nil, nil
	}
	if err != nil {
		return nil, &types.LocalizedMethodFault{Fault: &types.RuntimeFault{}, LocalizedMessage: err.Error()}
	}
	done := simulator.Map.Get(made).(*simulator.Task).Info
	if done.Error == nil {
		after()
		f.real[vm.Self.Value].remember(done.Result, tag)
	}
	return done.Result, done.Error
}

// returned takes the task out of a method's answer, whatever its type.
func returned(answer interface{}, err error) (types.ManagedObjectReference, error) {
	if err != nil {
		return types.ManagedObjectReference{}, err
	}
	value := reflect.ValueOf(answer).Elem().FieldByName("Returnval")
	return value.Interface().(types.ManagedObjectReference), nil
}

// faultNamed is a fault as a task carries it, by the name of its type.
func faultNamed(name string, vm *simulator.VirtualMachine) *types.LocalizedMethodFault {
	kind, known := types.TypeFunc()(name)
	if !known {
		kind = reflect.TypeOf(types.RuntimeFault{})
	}
	fault, fits := reflect.New(kind).Interface().(types.BaseMethodFault)
	if !fits {
		fault = &types.RuntimeFault{}
	}
	if busy, same := fault.(*types.TaskInProgress); same && len(vm.RecentTask) > 0 {
		busy.Task = vm.RecentTask[len(vm.RecentTask)-1]
	}
	return &types.LocalizedMethodFault{Fault: fault, LocalizedMessage: fmt.Sprintf("%s by order of the lab", name)}
}

// rebootGuest stands in for a method that the simulator has only in later versions: a guest with Tools restarts.
func (f *front) rebootGuest(call call) (int, reply) {
	order, err := simulator.UnmarshalBody(vim25Types, call.request)
	if err != nil {
		return http.StatusInternalServerError, soapFault("InvalidRequest")
	}
	f.world.RLock()
	defer f.world.RUnlock()
	vm := machineOf(order.This)
	switch {
	case vm == nil:
		return http.StatusInternalServerError, soapFault("ManagedObjectNotFound")
	case vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn:
		return http.StatusInternalServerError, soapFault("InvalidPowerState")
	case vm.Guest.ToolsRunningStatus != toolsRunning:
		return http.StatusInternalServerError, soapFault("ToolsUnavailable")
	}
	return http.StatusOK, soapReply("RebootGuest", "")
}

// forgetTasks drops all tasks, as a vCenter does some time after their end.
func forgetTasks(vm *simulator.VirtualMachine) error {
	for _, task := range vm.RecentTask {
		simulator.Map.Remove(task)
	}
	vm.RecentTask = nil
	return nil
}
