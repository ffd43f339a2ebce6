#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *user;

static void save(FILE *in, long size, const char *name)
{
    char path[600], block[512];
    long left = size;
    FILE *f;

    mkdir(user, 0755);
    snprintf(path, sizeof path, "%s/%s", user, name);
    f = fopen(path, "wb");
    while (left > 0) {
        size_t n = fread(block, 1, left < 512 ? left : 512, in);
        if (n == 0)
            break;
        fwrite(block, 1, n, f);
        left -= n;
    }
    fclose(f);
    printf("%s saved, %ld bytes\n", path, size);
}

static void from_server(FILE *in)
{
    char line[5000], name[500];
    long size;

    if (!fgets(line, sizeof line, in)) {
        printf("server closed the connection\n");
        exit(1);
    }
    if (line[0] == '\001' && sscanf(line + 1, "%ld %499[^\n]", &size, name) == 2)
        save(in, size, name);
    else
        fputs(line, stdout);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    int s = socket(AF_INET, SOCK_STREAM, 0);
    char key[2000];
    FILE *in;

    if (argc < 4)
        return 2;
    user = argv[1];
    to.sin_port = htons(atoi(argv[3]));
    inet_pton(AF_INET, argv[2], &to.sin_addr);
    if (connect(s, (struct sockaddr *)&to, sizeof to))
        return 1;
    in = fdopen(s, "r+");
    setvbuf(in, NULL, _IONBF, 0);
    dprintf(s, "%s\n", user);
    for (;;) {
        fd_set rd;

        FD_ZERO(&rd);
        FD_SET(0, &rd);
        FD_SET(s, &rd);
        select(s + 1, &rd, NULL, NULL, NULL);
        if (FD_ISSET(s, &rd))
            from_server(in);
        if (FD_ISSET(0, &rd)) {
            ssize_t n = read(0, key, sizeof key);
            if (n <= 0)
                break;
            send(s, key, n, MSG_NOSIGNAL);
            if (n == 6 && !memcmp(key, "/quit\n", 6))
                break;
        }
    }
    close(s);
    return 0;
}
