/* A library that is loaded before all others, so that writes into files below a folder fail where a test wants it:
   what audit hooks of Python do not see. Armed by mypt_fail(prefix, first, last, error); counts from 1. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char folder[4096];
static long first, last, done;
static int error;

void mypt_fail(const char *prefix, long from, long to, int number) {
    strncpy(folder, prefix, sizeof folder - 1);
    first = from, last = to, error = number, done = 0;
}

long mypt_done(void) { return done; }

static int fails(int fd) {
    char link[64], path[4096];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (strncmp(path, folder, strlen(folder))) return 0;
    done++;
    if (done < first || done > last) return 0;
    errno = error;
    return 1;
}

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *data, size_t size) {
    /* Half of it goes through, as on a disk that breaks within. */
    if (fails(fd)) {
        if (done == first && size > 1) return NEXT(ssize_t (*)(int, const void *, size_t), "write")(fd, data, size / 2);
        errno = error;
        return -1;
    }
    return NEXT(ssize_t (*)(int, const void *, size_t), "write")(fd, data, size);
}

int fsync(int fd) { return fails(fd) ? -1 : NEXT(int (*)(int), "fsync")(fd); }
