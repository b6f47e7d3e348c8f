package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const hypervisorPatience = 2 * time.Minute // for a power cut and a disk of some gigabytes put back

// hypervisor is what has the real machine behind one of the simulator's: a command that takes a verb and a tag.
type hypervisor struct {
	command []string
	tags    map[types.ManagedObjectReference]string // snapshot -> what it is called there
	taken   int
}

func (f *front) couple(vm *simulator.VirtualMachine, command []string) {
	f.real[vm.Self.Value] = &hypervisor{command: command, tags: map[types.ManagedObjectReference]string{}}
}

// carryOut has done for real what a task does, and returns the tag of a snapshot that it took; a machine that is coupled
// to nothing has nothing done.
func (h *hypervisor) carryOut(body interface{}) (string, error) {
	if h == nil {
		return "", nil
	}
	switch b := body.(type) {
	case *types.CreateSnapshot_Task:
		if b.Memory {
			return "", errors.New("the lab's hypervisor keeps no memory")
		}
		h.taken++
		tag := fmt.Sprintf("taken-%d", h.taken)
		return tag, h.run("take", tag)
	case *types.RevertToSnapshot_Task:
		return "", h.runWith("revert", b.This)
	case *types.RemoveSnapshot_Task:
		return "", h.runWith("remove", b.This)
	case *types.PowerOnVM_Task:
		return "", h.run("on")
	case *types.PowerOffVM_Task:
		return "", h.run("off")
	}
	return "", nil
}

// remember notes which snapshot of the simulator the one just taken is.
func (h *hypervisor) remember(made types.AnyType, tag string) {
	if snapshot, is := made.(types.ManagedObjectReference); is && h != nil && tag != "" {
		h.tags[snapshot] = tag
	}
}

func (h *hypervisor) runWith(verb string, snapshot types.ManagedObjectReference) error {
	tag, known := h.tags[snapshot]
	if !known {
		return fmt.Errorf("%s was never taken of the real machine", snapshot.Value)
	}
	return h.run(verb, tag)
}

func (h *hypervisor) run(words ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), hypervisorPatience)
	defer cancel()
	argv := append(append([]string{}, h.command...), words...)
	said, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %v: %s", words[0], err, strings.TrimSpace(string(said)))
	}
	return nil
}
