import java.net.ServerSocket;
import java.net.Socket;

/**
 * tcp-info server: says who connects.
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

    public static void main(String[] args) throws Exception {
        if (args.length != 1) {
            System.err.println("usage: java Server PORT");
            System.exit(2);
        }
        int port = Integer.parseInt(args[0]);

        ServerSocket listener = gap(1, "a ServerSocket on the port: it binds and listens", port);
        System.out.println("listening on port " + port);

        while (true) {
            Socket connection = gap(2, "the next client (accept)", listener);
            gap(3, "print the client's IP address and port (getInetAddress, getPort)", connection);
            gap(4, "tell the client the same: a line 'you are ADDRESS port PORT (tcp)'", connection);
            connection.close(); // the listener stays open
        }
    }
}
