/* Preloaded into a process, makes every operation on files under SLOW_FOLDER take SLOW_MICROSECONDS longer,
   as a round trip to a file server does. Nothing else is changed. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS 65536

static unsigned char slow[DESCRIPTORS];
static const char *folder;
static size_t folder_length;
static struct timespec delay;

__attribute__((constructor)) static void configure(void) {
    const char *microseconds = getenv("SLOW_MICROSECONDS");
    long total = microseconds ? atol(microseconds) : 0;
    folder = getenv("SLOW_FOLDER");
    folder_length = folder ? strlen(folder) : 0;
    delay.tv_sec = total / 1000000;
    delay.tv_nsec = total % 1000000 * 1000;
}

static int below(const char *path) {
    return folder_length && path && strncmp(path, folder, folder_length) == 0;
}

static int marked(int descriptor) {
    return descriptor >= 0 && descriptor < DESCRIPTORS && slow[descriptor];
}

static void wait_if(int condition) {
    if (condition)
        nanosleep(&delay, NULL);
}

static int at(int descriptor, const char *path) {
    return path && path[0] == '/' ? below(path) : marked(descriptor);
}

static int remember(int descriptor, int is_slow) {
    if (descriptor >= 0 && descriptor < DESCRIPTORS)
        slow[descriptor] = is_slow;
    return descriptor;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, name, const char *, int, ...); \
        va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
        wait_if(below(path)); \
        return remember(real(path, flags, mode), below(path)); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int base, const char *path, int flags, ...) { \
        REAL(int, name, int, const char *, int, ...); \
        va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
        int is_slow = at(base, path); \
        wait_if(is_slow); \
        return remember(real(base, path, flags, mode), is_slow); \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int descriptor) {
    REAL(int, close, int);
    int is_slow = marked(descriptor);
    remember(descriptor, 0);
    wait_if(is_slow);
    return real(descriptor);
}

/* name, result, parameters with types, arguments, condition under which it is slow */
#define WRAP(result, name, parameters, arguments, types, condition) \
    result name parameters { \
        static result (*real) types; \
        if (!real) real = (result (*) types)dlsym(RTLD_NEXT, #name); \
        wait_if(condition); \
        return real arguments; \
    }

WRAP(ssize_t, read, (int d, void *b, size_t n), (d, b, n), (int, void *, size_t), marked(d))
WRAP(ssize_t, write, (int d, const void *b, size_t n), (d, b, n), (int, const void *, size_t), marked(d))
WRAP(ssize_t, readv, (int d, const struct iovec *v, int n), (d, v, n), (int, const struct iovec *, int), marked(d))
WRAP(ssize_t, writev, (int d, const struct iovec *v, int n), (d, v, n), (int, const struct iovec *, int), marked(d))
WRAP(ssize_t, pread, (int d, void *b, size_t n, off_t o), (d, b, n, o), (int, void *, size_t, off_t), marked(d))
WRAP(ssize_t, pread64, (int d, void *b, size_t n, off64_t o), (d, b, n, o), (int, void *, size_t, off64_t), marked(d))
WRAP(ssize_t, pwrite, (int d, const void *b, size_t n, off_t o), (d, b, n, o),
     (int, const void *, size_t, off_t), marked(d))
WRAP(ssize_t, pwrite64, (int d, const void *b, size_t n, off64_t o), (d, b, n, o),
     (int, const void *, size_t, off64_t), marked(d))
WRAP(ssize_t, sendfile, (int o, int i, off_t *p, size_t n), (o, i, p, n), (int, int, off_t *, size_t), marked(i))
WRAP(ssize_t, sendfile64, (int o, int i, off64_t *p, size_t n), (o, i, p, n),
     (int, int, off64_t *, size_t), marked(i))
WRAP(ssize_t, copy_file_range, (int i, off64_t *a, int o, off64_t *b, size_t n, unsigned f), (i, a, o, b, n, f),
     (int, off64_t *, int, off64_t *, size_t, unsigned), marked(i) || marked(o))
WRAP(int, fsync, (int d), (d), (int), marked(d))
WRAP(int, fdatasync, (int d), (d), (int), marked(d))
WRAP(int, ftruncate, (int d, off_t n), (d, n), (int, off_t), marked(d))
WRAP(int, ftruncate64, (int d, off64_t n), (d, n), (int, off64_t), marked(d))
WRAP(int, posix_fallocate, (int d, off_t o, off_t n), (d, o, n), (int, off_t, off_t), marked(d))
WRAP(int, posix_fallocate64, (int d, off64_t o, off64_t n), (d, o, n), (int, off64_t, off64_t), marked(d))
WRAP(int, fstat, (int d, struct stat *s), (d, s), (int, struct stat *), marked(d))
WRAP(int, fstat64, (int d, struct stat64 *s), (d, s), (int, struct stat64 *), marked(d))
WRAP(int, stat, (const char *p, struct stat *s), (p, s), (const char *, struct stat *), below(p))
WRAP(int, stat64, (const char *p, struct stat64 *s), (p, s), (const char *, struct stat64 *), below(p))
WRAP(int, lstat, (const char *p, struct stat *s), (p, s), (const char *, struct stat *), below(p))
WRAP(int, lstat64, (const char *p, struct stat64 *s), (p, s), (const char *, struct stat64 *), below(p))
WRAP(int, fstatat, (int d, const char *p, struct stat *s, int f), (d, p, s, f),
     (int, const char *, struct stat *, int), at(d, p))
WRAP(int, fstatat64, (int d, const char *p, struct stat64 *s, int f), (d, p, s, f),
     (int, const char *, struct stat64 *, int), at(d, p))
WRAP(int, statx, (int d, const char *p, int f, unsigned m, struct statx *s), (d, p, f, m, s),
     (int, const char *, int, unsigned, struct statx *), at(d, p))
WRAP(int, statvfs, (const char *p, struct statvfs *s), (p, s), (const char *, struct statvfs *), below(p))
WRAP(int, statvfs64, (const char *p, struct statvfs64 *s), (p, s), (const char *, struct statvfs64 *), below(p))
WRAP(int, fstatvfs, (int d, struct statvfs *s), (d, s), (int, struct statvfs *), marked(d))
WRAP(int, fstatvfs64, (int d, struct statvfs64 *s), (d, s), (int, struct statvfs64 *), marked(d))
WRAP(int, access, (const char *p, int m), (p, m), (const char *, int), below(p))
WRAP(int, rename, (const char *a, const char *b), (a, b), (const char *, const char *), below(a) || below(b))
WRAP(int, renameat, (int c, const char *a, int d, const char *b), (c, a, d, b),
     (int, const char *, int, const char *), at(c, a) || at(d, b))
WRAP(int, renameat2, (int c, const char *a, int d, const char *b, unsigned f), (c, a, d, b, f),
     (int, const char *, int, const char *, unsigned), at(c, a) || at(d, b))
WRAP(int, link, (const char *a, const char *b), (a, b), (const char *, const char *), below(a) || below(b))
WRAP(int, linkat, (int c, const char *a, int d, const char *b, int f), (c, a, d, b, f),
     (int, const char *, int, const char *, int), at(c, a) || at(d, b))
WRAP(int, unlink, (const char *p), (p), (const char *), below(p))
WRAP(int, unlinkat, (int d, const char *p, int f), (d, p, f), (int, const char *, int), at(d, p))
WRAP(int, mkdir, (const char *p, mode_t m), (p, m), (const char *, mode_t), below(p))
WRAP(int, mkdirat, (int d, const char *p, mode_t m), (d, p, m), (int, const char *, mode_t), at(d, p))
WRAP(int, rmdir, (const char *p), (p), (const char *), below(p))
WRAP(DIR *, opendir, (const char *p), (p), (const char *), below(p))
