package main

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	gib          = int64(1) << 30
	diskSize     = 40 * gib
	diskUsed     = 12 * gib
	storeSize    = 2048 * gib
	storeFree    = 1200 * gib
	toolsRunning = "guestToolsRunning"
	toolsCurrent = "guestToolsUnmanaged" // open-vm-tools, as Linux distributions ship them
)

// settle gives a machine the properties that a healthy one has on a real vCenter and the simulator leaves unset.
func settle(vm *simulator.VirtualMachine) {
	vm.Runtime.ConsolidationNeeded = types.NewBool(false)
	vm.Runtime.FaultToleranceState = types.VirtualMachineFaultToleranceStateNotConfigured
	vm.Config.ChangeTrackingEnabled = types.NewBool(true)
	vm.Guest.ToolsRunningStatus = toolsRunning
	vm.Guest.ToolsVersionStatus2 = toolsCurrent
	disks := object.VirtualDeviceList(vm.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))
	for i, device := range disks {
		disk := device.(*types.VirtualDisk)
		disk.CapacityInKB, disk.CapacityInBytes = diskSize/1024, diskSize
		disk.DeviceInfo = &types.Description{Label: fmt.Sprintf("Hard disk %d", i+1), Summary: "41,943,040 KB"}
	}
	for i := range vm.LayoutEx.File {
		if file := &vm.LayoutEx.File[i]; strings.HasSuffix(file.Name, "-flat.vmdk") {
			file.Size, file.UniqueSize = diskUsed, diskUsed
		}
	}
}

// settleDatastores replaces the figures of this machine's own disk by some that stay the same.
func settleDatastores() {
	for _, entity := range simulator.Map.All("Datastore") {
		datastore := entity.(*simulator.Datastore)
		datastore.Summary.Capacity, datastore.Summary.FreeSpace = storeSize, storeFree
		datastore.Info.GetDatastoreInfo().FreeSpace = storeFree
	}
}
