#include <arpa/inet.h>
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX 64

static struct user { int fd, in; char name[32], to[32], line[2048]; int len; } users[MAX];
static const char *shared;

static void tell(struct user *u, const char *format, ...)
{
    char text[4096];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    send(u->fd, text, n, 0);
}

static void others(struct user *me, const char *text)
{
    for (int i = 0; i < MAX; i++)
        if (users[i].in && &users[i] != me && users[i].name[0])
            tell(&users[i], "%s", text);
}

static void list(struct user *u)
{
    char names[3500] = "";
    int count = 0;
    struct dirent *e;
    DIR *d = opendir(shared);

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.') {
            strcat(strcat(names, e->d_name), "\n");
            count++;
        }
    if (d)
        closedir(d);
    tell(u, "%d files are shared:\n%s", count, names);
}

static void give(struct user *u, const char *name)
{
    char path[600], block[512];
    struct stat st;
    size_t n;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", shared, name);
    if (strchr(name, '/') || stat(path, &st) || !(f = fopen(path, "rb"))) {
        tell(u, "no file %s\n", name);
        return;
    }
    tell(u, "\001%ld %s\n", (long)st.st_size, name);
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        send(u->fd, block, n, 0);
    fclose(f);
}

static void leave(struct user *u)
{
    char text[100];

    close(u->fd);
    u->in = 0;
    snprintf(text, sizeof text, "*** %s has left\n", u->name);
    others(u, text);
}

static void line(struct user *u, char *s)
{
    char text[2200];

    if (!u->name[0]) {
        snprintf(u->name, sizeof u->name, "%s", s);
        tell(u, "*** Welcome to the C chat, %s\n", u->name);
        snprintf(text, sizeof text, "*** %s has joined\n", u->name);
        others(u, text);
    } else if (!strcmp(s, "/quit")) {
        leave(u);
    } else if (!strcmp(s, "/files")) {
        list(u);
    } else if (!strncmp(s, "/get ", 5)) {
        give(u, s + 5);
    } else if (!strcmp(s, "/all")) {
        u->to[0] = '\0';
    } else if (!strncmp(s, "/to ", 4)) {
        snprintf(u->to, sizeof u->to, "%s", s + 4);
    } else if (u->to[0]) {
        for (int i = 0; i < MAX; i++)
            if (users[i].in && !strcmp(users[i].name, u->to))
                tell(&users[i], "[%s -> you] %s\n", u->name, s);
    } else {
        snprintf(text, sizeof text, "[%s] %s\n", u->name, s);
        others(u, text);
    }
}

static void readable(struct user *u)
{
    char buf[1024];
    ssize_t n = recv(u->fd, buf, sizeof buf, 0);

    if (n <= 0) {
        leave(u);
        return;
    }
    for (ssize_t i = 0; i < n && u->in; i++) {
        if (buf[i] == '\n') {
            u->line[u->len] = '\0';
            u->len = 0;
            line(u, u->line);
        } else if (u->len < (int)sizeof u->line - 1) {
            u->line[u->len++] = buf[i];
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET }, p;
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    signal(SIGPIPE, SIG_IGN);
    shared = getenv("SERVER_SHARED_FILES") ? getenv("SERVER_SHARED_FILES") : "SharedFiles";
    a.sin_port = htons(argc > 1 ? atoi(argv[1]) : 2000);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 32)) {
        perror("chatserver");
        return 1;
    }
    for (;;) {
        fd_set rd;
        int max = s;

        FD_ZERO(&rd);
        FD_SET(s, &rd);
        for (int i = 0; i < MAX; i++)
            if (users[i].in) {
                FD_SET(users[i].fd, &rd);
                if (users[i].fd > max)
                    max = users[i].fd;
            }
        select(max + 1, &rd, NULL, NULL, NULL);
        for (int i = 0; i < MAX; i++)
            if (users[i].in && FD_ISSET(users[i].fd, &rd))
                readable(&users[i]);
        if (FD_ISSET(s, &rd)) {
            socklen_t len = sizeof p;
            int c = accept(s, (struct sockaddr *)&p, &len), i = 0;
            printf("%s:%d connected\n", inet_ntoa(p.sin_addr), ntohs(p.sin_port));
            while (i < MAX && users[i].in)
                i++;
            if (i == MAX) {
                close(c);
                continue;
            }
            memset(&users[i], 0, sizeof users[i]);
            users[i].fd = c;
            users[i].in = 1;
        }
    }
}
