/* Loaded before the C library: calls on files below FAULT_DIR fail with FAULT_ERRNO, as they would on such a disk.
 *
 * ENOSPC: what needs space. EROFS: what changes the disk, but no file that is open. EMFILE: what opens a file. EIO: all.
 * FAULT_COUNTER is a file of 8 bytes that all processes share: the number of such calls so far. Calls FAULT_FROM to
 * FAULT_TO fail, both counted from 1; without FAULT_FROM, calls are only counted.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic uint64_t *counter;
static const char *below;
static long first, last;
static int code, faulty;
enum { CREATES = 1, CHANGES = 2, WRITES = 4, READS = 8 };

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULT_COUNTER"), *from = getenv("FAULT_FROM"), *to = getenv("FAULT_TO");
    below = getenv("FAULT_DIR");
    if (!path || !below) return;
    code = atoi(getenv("FAULT_ERRNO") ? getenv("FAULT_ERRNO") : "28");
    first = from ? atol(from) : LONG_MAX;
    last = to ? atol(to) : LONG_MAX;
    faulty = code == ENOSPC   ? CREATES | WRITES
             : code == EROFS  ? CREATES | CHANGES
             : code == EMFILE ? CREATES | READS
                              : CREATES | CHANGES | WRITES | READS;
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int fd = real_open(path, O_RDWR);
    if (fd < 0) return;
    void *map = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) counter = map;
}

static int is_below(const char *path) { return strncmp(path, below, strlen(below)) == 0; }

static int fails(void) {
    long now = (long)(++*counter);
    if (now < first || now > last) return 0;
    errno = code;
    return 1;
}

static int path_fails(int kind, int at, const char *path) {
    char full[PATH_MAX], link[64];
    if (!counter || !path || !(faulty & kind)) return 0;
    if (path[0] == '/') return is_below(path) && fails();
    if (at == AT_FDCWD) {
        if (!getcwd(full, sizeof full)) return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t size = readlink(link, full, sizeof full - 1);
        if (size < 0) return 0;
        full[size] = 0;
    }
    strncat(full, "/", sizeof full - strlen(full) - 1);
    strncat(full, path, sizeof full - strlen(full) - 1);
    return is_below(full) && fails();
}

static int file_fails(int kind, int fd) {
    char link[64], full[PATH_MAX];
    if (!counter || !(faulty & kind)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, full, sizeof full - 1);
    if (size < 0) return 0;
    full[size] = 0;
    return is_below(full) && fails();
}

/* Opening an existing file for writing needs no space, but a disk that can be written. */
#define KIND(flags)                                                                                                    \
    ((flags) & O_CREAT                ? CREATES                                                                            \
     : (flags) & (O_WRONLY | O_RDWR) ? (code == EMFILE ? READS : CHANGES)                                              \
                                      : READS)
#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }
#define REAL(result, name, ...) result (*real)(__VA_ARGS__) = dlsym(RTLD_NEXT, #name)

int open(const char *path, int flags, ...) {
    MODE(flags) REAL(int, open, const char *, int, ...);
    return path_fails(KIND(flags), AT_FDCWD, path) ? -1 : real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags) REAL(int, open64, const char *, int, ...);
    return path_fails(KIND(flags), AT_FDCWD, path) ? -1 : real(path, flags, mode);
}
int openat(int at, const char *path, int flags, ...) {
    MODE(flags) REAL(int, openat, int, const char *, int, ...);
    return path_fails(KIND(flags), at, path) ? -1 : real(at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...) {
    MODE(flags) REAL(int, openat64, int, const char *, int, ...);
    return path_fails(KIND(flags), at, path) ? -1 : real(at, path, flags, mode);
}
FILE *fopen64(const char *path, const char *how) {
    REAL(FILE *, fopen64, const char *, const char *);
    return path_fails(how[0] != 'r' ? CREATES : strchr(how, '+') ? CHANGES : READS, AT_FDCWD, path) ? NULL : real(path, how);
}
FILE *fopen(const char *path, const char *how) {
    REAL(FILE *, fopen, const char *, const char *);
    return path_fails(how[0] != 'r' ? CREATES : strchr(how, '+') ? CHANGES : READS, AT_FDCWD, path) ? NULL : real(path, how);
}

#define OF_FILE(result, name, kind, types, values)                                                                           \
    result name types {                                                                                                \
        result(*real) types = dlsym(RTLD_NEXT, #name);                                                                 \
        return file_fails(kind, fd) ? -1 : real values;                                                                      \
    }
OF_FILE(ssize_t, write, WRITES, (int fd, const void *bytes, size_t size), (fd, bytes, size))
OF_FILE(ssize_t, writev, WRITES, (int fd, const struct iovec *parts, int count), (fd, parts, count))
OF_FILE(ssize_t, pwrite, WRITES, (int fd, const void *bytes, size_t size, off_t at), (fd, bytes, size, at))
OF_FILE(ssize_t, pwrite64, WRITES, (int fd, const void *bytes, size_t size, off64_t at), (fd, bytes, size, at))
OF_FILE(int, ftruncate, WRITES, (int fd, off_t size), (fd, size))
OF_FILE(int, ftruncate64, WRITES, (int fd, off64_t size), (fd, size))
OF_FILE(int, fsync, WRITES, (int fd), (fd))
OF_FILE(int, fdatasync, WRITES, (int fd), (fd))
OF_FILE(int, fchmod, CHANGES, (int fd, mode_t mode), (fd, mode))

/* These return the error's number instead of setting it. */
int posix_fallocate(int fd, off_t at, off_t size) {
    REAL(int, posix_fallocate, int, off_t, off_t);
    return file_fails(WRITES, fd) ? code : real(fd, at, size);
}
int posix_fallocate64(int fd, off64_t at, off64_t size) {
    REAL(int, posix_fallocate64, int, off64_t, off64_t);
    return file_fails(WRITES, fd) ? code : real(fd, at, size);
}

#define OF_PATH(name, kind, types, values)                                                                                   \
    int name types {                                                                                                   \
        int(*real) types = dlsym(RTLD_NEXT, #name);                                                                    \
        return path_fails(kind, at, path) ? -1 : real values;                                                                \
    }
OF_PATH(mkdirat, CREATES, (int at, const char *path, mode_t mode), (at, path, mode))
OF_PATH(unlinkat, CHANGES, (int at, const char *path, int flags), (at, path, flags))
OF_PATH(renameat, CHANGES, (int at, const char *path, int to, const char *new_path), (at, path, to, new_path))

#define OF_NAME(name, kind, types, values)                                                                                   \
    int name types {                                                                                                   \
        int(*real) types = dlsym(RTLD_NEXT, #name);                                                                    \
        return path_fails(kind, AT_FDCWD, path) ? -1 : real values;                                                          \
    }
OF_NAME(mkdir, CREATES, (const char *path, mode_t mode), (path, mode))
OF_NAME(rmdir, CHANGES, (const char *path), (path))
OF_NAME(unlink, CHANGES, (const char *path), (path))
OF_NAME(rename, CHANGES, (const char *path, const char *new_path), (path, new_path))
OF_NAME(chmod, CHANGES, (const char *path, mode_t mode), (path, mode))
