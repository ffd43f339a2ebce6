import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * chat server: passes on what users say, and hands out shared files.
 *
 * <pre>javac Server.java and java Server PORT</pre>
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
public class Server {
    /** Stands where your code is missing. What it returns here, yours must give. */
    static <T> T gap(int number, String what, Object... uses) {
        System.err.println("gap " + number + " is open: " + what);
        System.exit(1);
        return null;
    }

    /** Who is connected. Every thread uses it, so it is a map that allows that. */
    static final Map<String, Socket> USERS = new ConcurrentHashMap<>();

    static String shared() {
        String folder = System.getenv("SERVER_SHARED_FILES");
        return folder != null ? folder : "SharedFiles";
    }

    static void sendLine(Socket connection, String line) throws IOException {
        connection.getOutputStream().write((line + "\n").getBytes(StandardCharsets.UTF_8));
    }

    /** A line for every connected user, but one. */
    static void tellAll(String line, String but) {
        gap(4, "send the line to each user; one who is gone must not stop the others", USERS, but, line);
    }

    /** One line of one user. Choose your own commands; these are netlab's. */
    static void handle(Socket connection, String name, String line) throws IOException {
        if (line.startsWith("/msg ")) {
            gap(5, "send it to that user alone; tell the sender if there is no such user", name, line);
        } else if (line.equals("/files")) {
            gap(6, "send how many files there are, then each name", connection, shared());
        } else if (line.startsWith("/get ")) {
            gap(7, "send the size of the file, then its bytes; no name with a / in it", connection, line);
        } else {
            tellAll("<" + name + "> " + line, name);
        }
    }

    /** One client's thread, from its welcome to its leaving. */
    static void serve(Socket connection) {
        String name = null;
        try (connection) {
            sendLine(connection, "* welcome: what is your name?");
            BufferedReader lines = new BufferedReader(
                    new InputStreamReader(connection.getInputStream(), StandardCharsets.UTF_8));
            name = gap(3, "the first line: a name that nobody else has; put it into USERS", lines);
            tellAll("* " + name + " has joined", null);
            for (String line; (line = lines.readLine()) != null && !line.equals("/quit"); ) {
                handle(connection, name, line);
            }
        } catch (IOException lost) {
            // The connection broke: the user has left all the same.
        }
        gap(8, "forget the user, and tell all others that NAME has left", name);
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 1) {
            System.err.println("usage: java Server PORT");
            System.exit(2);
        }
        int port = Integer.parseInt(args[0]);

        ServerSocket listener = gap(1, "a ServerSocket on the port: it binds and listens", port);
        System.out.println("listening on port " + port);

        while (true) {
            Socket connection = gap(2, "the next client (accept); print its IP address and port", listener);
            new Thread(() -> serve(connection)).start();
        }
    }
}
