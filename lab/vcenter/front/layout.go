package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// snapshotOrder says what a snapshot looks like. The simulator creates the node; the files, which it does not make,
// are written into layoutEx as a datastore would show them.
type snapshotOrder struct {
	Name        string  `json:"name"`
	Description string  `json:"description"`
	Age         float64 `json:"age"`    // seconds
	Memory      bool    `json:"memory"` // with the machine's memory
	Quiesced    bool    `json:"quiesced"`
	Size        int64   `json:"size"` // bytes written since, to each disk's delta
	MemorySize  int64   `json:"memory_size"`
	Parent      string  `json:"parent"` // name of the snapshot to branch from; the current one when empty
}

func (f *front) addSnapshot(vm *simulator.VirtualMachine, o snapshotOrder) error {
	if o.Parent != "" {
		parent := node(rootList(vm), func(n *types.VirtualMachineSnapshotTree) bool { return n.Name == o.Parent })
		if parent == nil {
			return fmt.Errorf("no snapshot is named %q", o.Parent)
		}
		vm.Snapshot.CurrentSnapshot = &parent.Snapshot
		vm.LayoutEx.Disk = grown(vm, frozenDisks(vm, parent.Snapshot), 0)
	}
	frozen := copied(vm.LayoutEx.Disk)
	vm.CreateSnapshotTask(&types.CreateSnapshot_Task{
		This: vm.Self, Name: o.Name, Description: o.Description, Memory: o.Memory, Quiesce: o.Quiesced,
	})
	f.settleSnapshot(vm, frozen, o)
	return nil
}

// settleSnapshot gives the snapshot that was just taken what a vCenter and a datastore give it.
func (f *front) settleSnapshot(vm *simulator.VirtualMachine, frozen []types.VirtualMachineFileLayoutExDiskLayout, o snapshotOrder) {
	made := vm.Snapshot.CurrentSnapshot
	tree := node(vm.Snapshot.RootSnapshotList, func(n *types.VirtualMachineSnapshotTree) bool { return n.Snapshot == *made })
	f.mu.Lock()
	tree.CreateTime = time.Now().Add(f.skew - seconds(o.Age)).UTC()
	f.mu.Unlock()
	if !o.Memory {
		tree.State = types.VirtualMachinePowerStatePoweredOff // what a vCenter says of a snapshot without memory
	}
	for i := range vm.LayoutEx.Snapshot {
		if layout := &vm.LayoutEx.Snapshot[i]; layout.Key == *made {
			layout.Disk = frozen
			if o.Memory {
				layout.MemoryKey = addFile(vm, fmt.Sprintf("snapshot%d.vmem", tree.Id), "snapshotMemory", o.MemorySize)
			}
		}
	}
	growChain(vm, o.Size)
}

// settleRevert starts new deltas upon a snapshot, and leaves the machine as it was then: off, unless with memory.
func (f *front) settleRevert(vm *simulator.VirtualMachine, snapshot types.ManagedObjectReference) {
	tree := node(rootList(vm), func(n *types.VirtualMachineSnapshotTree) bool { return n.Snapshot == snapshot })
	vm.Runtime.PowerState, vm.Summary.Runtime.PowerState = tree.State, tree.State
	if tree.State == types.VirtualMachinePowerStatePoweredOff {
		vm.Summary.Runtime.BootTime = nil
	}
	vm.LayoutEx.Disk = grown(vm, frozenDisks(vm, snapshot), 0)
}

// keptLayout is the layout as it is without a snapshot: what was written after it is merged into the delta it stands
// upon. The simulator would make the layout anew, with other keys. Lines of snapshots without branches are all it knows.
func keptLayout(vm *simulator.VirtualMachine, snapshot types.ManagedObjectReference) *types.VirtualMachineFileLayoutEx {
	kept := *vm.LayoutEx
	kept.File = append([]types.VirtualMachineFileLayoutExFileInfo{}, kept.File...)
	kept.Disk, kept.Snapshot = copied(kept.Disk), nil
	gone := frozenDisks(vm, snapshot)
	for _, disk := range gone {
		kept.Disk = without(kept.Disk, disk.Key, len(disk.Chain))
	}
	for _, layout := range vm.LayoutEx.Snapshot {
		if layout.Key == snapshot {
			continue
		}
		for _, disk := range gone {
			layout.Disk = without(layout.Disk, disk.Key, len(disk.Chain))
		}
		kept.Snapshot = append(kept.Snapshot, layout)
	}
	return &kept
}

// without takes the unit at a place out of a disk's chain, where there is one.
func without(disks []types.VirtualMachineFileLayoutExDiskLayout, key int32, place int) []types.VirtualMachineFileLayoutExDiskLayout {
	kept := copied(disks)
	for i := range kept {
		if chain := kept[i].Chain; kept[i].Key == key && len(chain) > place {
			kept[i].Chain = append(chain[:place:place], chain[place+1:]...)
		}
	}
	return kept
}

func rootList(vm *simulator.VirtualMachine) []types.VirtualMachineSnapshotTree {
	if vm.Snapshot == nil {
		return nil
	}
	return vm.Snapshot.RootSnapshotList
}

func node(list []types.VirtualMachineSnapshotTree, wanted func(*types.VirtualMachineSnapshotTree) bool) *types.VirtualMachineSnapshotTree {
	for i := range list {
		if wanted(&list[i]) {
			return &list[i]
		}
		if found := node(list[i].ChildSnapshotList, wanted); found != nil {
			return found
		}
	}
	return nil
}

func frozenDisks(vm *simulator.VirtualMachine, snapshot types.ManagedObjectReference) []types.VirtualMachineFileLayoutExDiskLayout {
	for _, layout := range vm.LayoutEx.Snapshot {
		if layout.Key == snapshot {
			return copied(layout.Disk)
		}
	}
	return nil
}

func copied(disks []types.VirtualMachineFileLayoutExDiskLayout) []types.VirtualMachineFileLayoutExDiskLayout {
	var copies []types.VirtualMachineFileLayoutExDiskLayout
	for _, disk := range disks {
		disk.Chain = append([]types.VirtualMachineFileLayoutExDiskUnit{}, disk.Chain...)
		copies = append(copies, disk)
	}
	return copies
}

// growChain adds one delta to each disk's chain: a descriptor and an extent of the given size.
func growChain(vm *simulator.VirtualMachine, size int64) {
	vm.LayoutEx.Disk = grown(vm, copied(vm.LayoutEx.Disk), size)
	vm.LayoutEx.Timestamp = time.Now()
}

func grown(vm *simulator.VirtualMachine, disks []types.VirtualMachineFileLayoutExDiskLayout, size int64) []types.VirtualMachineFileLayoutExDiskLayout {
	for i := range disks {
		stem := fmt.Sprintf("disk%d-%06d", disks[i].Key, len(vm.LayoutEx.File))
		unit := types.VirtualMachineFileLayoutExDiskUnit{FileKey: []int32{
			addFile(vm, stem+".vmdk", "diskDescriptor", 512),
			addFile(vm, stem+"-delta.vmdk", "diskExtent", size),
		}}
		disks[i].Chain = append(disks[i].Chain, unit)
		attachFile(vm, disks[i].Key, folderOf(vm)+stem+".vmdk")
	}
	return disks
}

// attachFile points a disk at a new leaf, with the former one as its parent.
func attachFile(vm *simulator.VirtualMachine, disk int32, file string) {
	for _, device := range vm.Config.Hardware.Device {
		if device.GetVirtualDevice().Key != disk {
			continue
		}
		if backing, flat := device.GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo); flat {
			leaf := *backing
			leaf.FileName, leaf.Parent = file, backing
			device.GetVirtualDevice().Backing = &leaf
		}
	}
}

func folderOf(vm *simulator.VirtualMachine) string {
	return vm.Config.Files.VmPathName[:strings.LastIndex(vm.Config.Files.VmPathName, "/")+1]
}

func addFile(vm *simulator.VirtualMachine, name, kind string, size int64) int32 {
	key := int32(1)
	for _, file := range vm.LayoutEx.File {
		if file.Key >= key {
			key = file.Key + 1
		}
	}
	vm.LayoutEx.File = append(vm.LayoutEx.File, types.VirtualMachineFileLayoutExFileInfo{
		Key: key, Name: folderOf(vm) + name, Type: kind, Size: size, UniqueSize: size, Accessible: types.NewBool(true),
	})
	return key
}

// dropSnapshots leaves the machine as if all its snapshots had been removed and its disks consolidated.
func dropSnapshots(vm *simulator.VirtualMachine) error {
	vm.Snapshot, vm.Runtime.ConsolidationNeeded = nil, types.NewBool(false)
	vm.LayoutEx.Snapshot = nil
	for i := range vm.LayoutEx.Disk {
		vm.LayoutEx.Disk[i].Chain = vm.LayoutEx.Disk[i].Chain[:1]
	}
	for _, device := range vm.Config.Hardware.Device {
		if backing, flat := device.GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo); flat {
			for backing.Parent != nil {
				backing = backing.Parent
			}
			device.GetVirtualDevice().Backing = backing
		}
	}
	return nil
}

// addDevice changes the machine's hardware: what snapshots cannot roll back, or a disk of another machine.
func addDevice(vm *simulator.VirtualMachine, o order) error {
	devices := object.VirtualDeviceList(vm.Config.Hardware.Device)
	disks := devices.SelectByType((*types.VirtualDisk)(nil))
	if len(disks) == 0 {
		return fmt.Errorf("%s has no disk", vm.Name)
	}
	disk := disks[0].(*types.VirtualDisk)
	backing := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	switch o.Kind {
	case "disk-mode":
		backing.DiskMode = o.Name
	case "raw":
		raw := &types.VirtualDiskRawDiskMappingVer1BackingInfo{CompatibilityMode: o.Name}
		raw.FileName = backing.FileName
		disk.Backing = raw
	case "passthrough":
		card := &types.VirtualPCIPassthrough{}
		card.Key = 13000
		vm.Config.Hardware.Device = append(vm.Config.Hardware.Device, card)
	case "shared-bus":
		for _, controller := range devices.SelectByType((*types.VirtualSCSIController)(nil)) {
			controller.(types.BaseVirtualSCSIController).GetVirtualSCSIController().SharedBus = types.VirtualSCSISharing(o.Name)
		}
	case "foreign-disk": // a disk of the machine o.Name is attached here, as a backup proxy does by HotAdd
		other, err := machineNamed(o.Name)
		if err != nil {
			return err
		}
		theirs := object.VirtualDeviceList(other.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))
		attached := *theirs[0].(*types.VirtualDisk)
		attached.Key = 2900
		vm.Config.Hardware.Device = append(vm.Config.Hardware.Device, &attached)
	default:
		return fmt.Errorf("unknown device %q", o.Kind)
	}
	return nil
}
