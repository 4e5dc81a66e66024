// The table of mount options and the reading of an option list. The features document lists the
// same table. Spec: config.md "Linux mount options".
#pragma once

#include <linux/mount.h>

#include <cstdint>
#include <string>
#include <vector>

#include <corten/base/flags.h>
#include <corten/plan/plan.h>

namespace corten::plan {

enum class OptionEffect : uint8_t {
  None,  // the default; changes nothing
  Set,   // attribute bits of the mount
  Clear,
  SetAtime,    // one of the three access time modes
  ClearAtime,  // back to the default mode (relatime) when this mode is in force
  Superblock,  // a generic flag of the filesystem instance, by its name in fsconfig(2)
  ReadOnly,    // ro: of the mount, and of the filesystem instance
  ReadWrite,
  Propagation,
  Bind,
  RecursiveBind,
  Remount,
  Idmap,
  RecursiveIdmap,
  CopyUp,
  UserSpace,  // for mount(8) and its helpers only
};

enum class OptionScope : uint8_t { Mount, Tree };  // Tree: this mount and everything below it

struct MountOption {
  OptionEffect effect = OptionEffect::None;
  uint64_t value = 0;
  OptionScope scope = OptionScope::Mount;
};

namespace detail {
using Effect = OptionEffect;
using Option = Named<MountOption>;
inline constexpr auto kTree = OptionScope::Tree;
}  // namespace detail

// Every option of the specification: MUST, SHOULD and MAY. rnodev is missing in its table by
// mistake (its own features example has it).
inline constexpr NameTable kMountOptions{{
    detail::Option{"async", {detail::Effect::Superblock}},
    detail::Option{"atime", {detail::Effect::ClearAtime, MOUNT_ATTR_NOATIME}},
    detail::Option{"bind", {detail::Effect::Bind}},
    detail::Option{"defaults", {}},
    detail::Option{"dev", {detail::Effect::Clear, MOUNT_ATTR_NODEV}},
    detail::Option{"diratime", {detail::Effect::Clear, MOUNT_ATTR_NODIRATIME}},
    detail::Option{"dirsync", {detail::Effect::Superblock}},
    detail::Option{"exec", {detail::Effect::Clear, MOUNT_ATTR_NOEXEC}},
    detail::Option{"idmap", {detail::Effect::Idmap}},
    // Counting inode versions became each filesystem's own decision; fsconfig(2) has no generic
    // key.
    detail::Option{"iversion", {}},
    detail::Option{"lazytime", {detail::Effect::Superblock}},
    // silent and loud only choose whether the kernel logs a failed mount; the mount API always
    // reports to the caller instead.
    detail::Option{"loud", {}},
    detail::Option{"mand", {detail::Effect::Superblock}},
    detail::Option{"noatime", {detail::Effect::SetAtime, MOUNT_ATTR_NOATIME}},
    detail::Option{"nodev", {detail::Effect::Set, MOUNT_ATTR_NODEV}},
    detail::Option{"nodiratime", {detail::Effect::Set, MOUNT_ATTR_NODIRATIME}},
    detail::Option{"noexec", {detail::Effect::Set, MOUNT_ATTR_NOEXEC}},
    detail::Option{"noiversion", {}},
    detail::Option{"nolazytime", {detail::Effect::Superblock}},
    detail::Option{"nomand", {detail::Effect::Superblock}},
    // Without relatime the kernel's default is in force, which is relatime (since Linux 2.6.30).
    detail::Option{"norelatime", {}},
    detail::Option{"nostrictatime", {detail::Effect::ClearAtime, MOUNT_ATTR_STRICTATIME}},
    detail::Option{"nosuid", {detail::Effect::Set, MOUNT_ATTR_NOSUID}},
    detail::Option{"nosymfollow", {detail::Effect::Set, MOUNT_ATTR_NOSYMFOLLOW}},
    detail::Option{"private", {detail::Effect::Propagation, MS_PRIVATE}},
    detail::Option{"ratime", {detail::Effect::ClearAtime, MOUNT_ATTR_NOATIME, detail::kTree}},
    detail::Option{"rbind", {detail::Effect::RecursiveBind}},
    detail::Option{"rdev", {detail::Effect::Clear, MOUNT_ATTR_NODEV, detail::kTree}},
    detail::Option{"rdiratime", {detail::Effect::Clear, MOUNT_ATTR_NODIRATIME, detail::kTree}},
    detail::Option{"relatime", {detail::Effect::SetAtime, MOUNT_ATTR_RELATIME}},
    detail::Option{"remount", {detail::Effect::Remount}},
    detail::Option{"rexec", {detail::Effect::Clear, MOUNT_ATTR_NOEXEC, detail::kTree}},
    detail::Option{"ridmap", {detail::Effect::RecursiveIdmap}},
    detail::Option{"rnoatime", {detail::Effect::SetAtime, MOUNT_ATTR_NOATIME, detail::kTree}},
    detail::Option{"rnodev", {detail::Effect::Set, MOUNT_ATTR_NODEV, detail::kTree}},
    detail::Option{"rnodiratime", {detail::Effect::Set, MOUNT_ATTR_NODIRATIME, detail::kTree}},
    detail::Option{"rnoexec", {detail::Effect::Set, MOUNT_ATTR_NOEXEC, detail::kTree}},
    detail::Option{"rnorelatime", {}},
    detail::Option{"rnostrictatime",
                   {detail::Effect::ClearAtime, MOUNT_ATTR_STRICTATIME, detail::kTree}},
    detail::Option{"rnosuid", {detail::Effect::Set, MOUNT_ATTR_NOSUID, detail::kTree}},
    detail::Option{"rnosymfollow", {detail::Effect::Set, MOUNT_ATTR_NOSYMFOLLOW, detail::kTree}},
    detail::Option{"ro", {detail::Effect::ReadOnly, MOUNT_ATTR_RDONLY}},
    detail::Option{"rprivate", {detail::Effect::Propagation, MS_PRIVATE | MS_REC}},
    detail::Option{"rrelatime", {detail::Effect::SetAtime, MOUNT_ATTR_RELATIME, detail::kTree}},
    detail::Option{"rro", {detail::Effect::Set, MOUNT_ATTR_RDONLY, detail::kTree}},
    detail::Option{"rrw", {detail::Effect::Clear, MOUNT_ATTR_RDONLY, detail::kTree}},
    detail::Option{"rshared", {detail::Effect::Propagation, MS_SHARED | MS_REC}},
    detail::Option{"rslave", {detail::Effect::Propagation, MS_SLAVE | MS_REC}},
    detail::Option{"rstrictatime",
                   {detail::Effect::SetAtime, MOUNT_ATTR_STRICTATIME, detail::kTree}},
    detail::Option{"rsuid", {detail::Effect::Clear, MOUNT_ATTR_NOSUID, detail::kTree}},
    detail::Option{"rsymfollow", {detail::Effect::Clear, MOUNT_ATTR_NOSYMFOLLOW, detail::kTree}},
    detail::Option{"runbindable", {detail::Effect::Propagation, MS_UNBINDABLE | MS_REC}},
    detail::Option{"rw", {detail::Effect::ReadWrite, MOUNT_ATTR_RDONLY}},
    detail::Option{"shared", {detail::Effect::Propagation, MS_SHARED}},
    detail::Option{"silent", {}},
    detail::Option{"slave", {detail::Effect::Propagation, MS_SLAVE}},
    detail::Option{"strictatime", {detail::Effect::SetAtime, MOUNT_ATTR_STRICTATIME}},
    detail::Option{"suid", {detail::Effect::Clear, MOUNT_ATTR_NOSUID}},
    detail::Option{"symfollow", {detail::Effect::Clear, MOUNT_ATTR_NOSYMFOLLOW}},
    detail::Option{"sync", {detail::Effect::Superblock}},
    detail::Option{"tmpcopyup", {detail::Effect::CopyUp}},
    detail::Option{"unbindable", {detail::Effect::Propagation, MS_UNBINDABLE}},
}};

// Options of mount(8) that never reach the kernel. Those that let users mount imply restrictions
// there, and do here.
inline constexpr uint64_t kUserMountAttributes =
    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
inline constexpr NameTable kUserSpaceOptions{{
    detail::Option{"_netdev", {detail::Effect::UserSpace}},
    detail::Option{"auto", {detail::Effect::UserSpace}},
    detail::Option{"group", {detail::Effect::Set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV}},
    detail::Option{"noauto", {detail::Effect::UserSpace}},
    detail::Option{"nofail", {detail::Effect::UserSpace}},
    detail::Option{"nogroup", {detail::Effect::UserSpace}},
    detail::Option{"noowner", {detail::Effect::UserSpace}},
    detail::Option{"nouser", {detail::Effect::UserSpace}},
    detail::Option{"nousers", {detail::Effect::UserSpace}},
    detail::Option{"owner", {detail::Effect::Set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV}},
    detail::Option{"user", {detail::Effect::Set, kUserMountAttributes}},
    detail::Option{"users", {detail::Effect::Set, kUserMountAttributes}},
}};

// An option that is in no table: for the filesystem.
struct UnknownOption {
  std::size_t index = 0;  // in the configured list
  FsOption option;
};

struct MountOptions {
  bool bind = false;
  bool recursive_bind = false;
  bool remount = false;
  bool idmap = false;
  bool recursive_idmap = false;
  bool copy_up = false;
  bool read_only = false;  // the last word of ro and rw
  MountAttributes attributes;
  MountAttributes recursive_attributes;
  std::vector<uint64_t> propagation;
  std::vector<FsOption> superblock;
  std::vector<UnknownOption> unknown;
};

// Reads the list in order; where two options contradict each other the later one wins. An element
// may hold several options separated by commas, as mount(2) data may; a comma inside double quotes
// does not separate, and the quotes are removed (SELinux contexts come quoted).
MountOptions parse_mount_options(const std::vector<std::string>& options);

}  // namespace corten::plan
