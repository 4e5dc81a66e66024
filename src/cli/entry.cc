// The first instructions of the static binary: protect_executable() (runtime/self_exe.h), brought
// forward to before the C library starts.
//
// Every command that enters a container executes itself twice. What the C library does at each
// start (relocations, dozens of CPUID instructions that trap in a virtual machine, page faults on
// everything it touches) is dearer than the execve itself, so the first image does none of it.
//
// Nothing here may use the C library, a relocation, thread-local storage or a constructor: they are
// not there yet. Whatever is unusual is left to main(), which checks and protects once more.
#include <elf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#ifndef __x86_64__
#error "written for x86-64: other machines go without this file"
#endif

// Set when this image turns out to be the protected one, for protect_executable(): asking the
// kernel once is enough.
extern "C" [[gnu::visibility("hidden")]] bool corten_is_protected;

namespace {

inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  long result = number;
  register long fourth asm("r10") = d;
  register long fifth asm("r8") = e;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth)
               : "rcx", "r11", "memory");
  return result;
}

inline long address(const void* pointer) { return reinterpret_cast<long>(pointer); }

inline bool same(const char* left, const char* right) {
  while (*left != 0 && *left == *right) {
    ++left;
    ++right;
  }
  return *left == *right;
}

// An id or a value that reads like a command only costs an execve.
inline bool enters_container(char** argv) {
  for (; *argv != nullptr; ++argv) {
    if (same(*argv, "run") || same(*argv, "create") || same(*argv, "exec") ||
        same(*argv, "restore"))
      return true;
  }
  return false;
}

inline bool is_secure(char** envp) {
  while (*envp != nullptr) ++envp;
  const auto* entry = reinterpret_cast<const Elf64_auxv_t*>(envp + 1);
  for (; entry->a_type != AT_NULL; ++entry)
    if (entry->a_type == AT_SECURE) return entry->a_un.a_val != 0;
  return true;
}

}  // namespace

// stack: as the kernel hands it over: argc, argv, null, envp, null, auxiliary vector. Returns when
// there is nothing to do or something did not work.
extern "C" [[gnu::visibility("hidden")]] void corten_protect_early(void** stack) {
  char** argv = reinterpret_cast<char**>(stack + 1);
  char** envp = argv + *reinterpret_cast<long*>(stack) + 1;
  if (!enters_container(argv) || is_secure(envp)) return;
  const char* self = "/proc/self/exe";
  struct statfs filesystem;
  filesystem.f_type = 0;
  filesystem.f_flags = 0;
  // Elsewhere the link could name another program; main() says so.
  if (call(SYS_statfs, address("/proc/self"), address(&filesystem)) != 0) return;
  if (filesystem.f_type != PROC_SUPER_MAGIC) return;
  if (call(SYS_statfs, address(self), address(&filesystem)) != 0) return;
  if ((filesystem.f_flags & ST_RDONLY) != 0) {
    corten_is_protected = true;
    return;
  }
  const long clone =
      call(SYS_open_tree, AT_FDCWD, address(self), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (clone < 0) return;
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (call(SYS_mount_setattr,
           clone,
           address(""),
           AT_EMPTY_PATH,
           address(&attributes),
           sizeof attributes) == 0) {
    call(SYS_execveat, clone, address(""), address(argv), address(envp), AT_EMPTY_PATH);
  }
  call(SYS_close, clone);
}

// rdx is a function that the C library would call at exit; the kernel sets it to zero.
asm(R"(
  .pushsection .text
  .globl corten_entry
  .type corten_entry, @function
corten_entry:
  xor %ebp, %ebp
  mov %rsp, %rdi
  call corten_protect_early
  xor %edx, %edx
  jmp _start
  .size corten_entry, . - corten_entry
  .popsection
)");
