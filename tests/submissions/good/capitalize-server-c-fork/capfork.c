#include <arpa/inet.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void session(int fd, int id)
{
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    char line[4096];

    fprintf(out, "client %d> ", id);
    fflush(out);
    while (fgets(line, sizeof line, in)) {
        if (!strncmp(line, "CLOSE SOCKET", 12))
            break;
        for (char *p = line; *p; p++)
            *p = toupper((unsigned char)*p);
        fprintf(out, "%sclient %d> ", line, id);
        fflush(out);
    }
    fclose(out);
    fclose(in);
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1, id = 0;

    signal(SIGCHLD, SIG_IGN);
    a.sin_port = htons(atoi(argv[1]));
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 10)) {
        perror("capfork");
        return 1;
    }
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c < 0)
            continue;
        id++;
        printf("client %d\n", id);
        fflush(stdout);
        if (fork() == 0) {
            close(s);
            session(c, id);
            _exit(0);
        }
        close(c);
    }
}
