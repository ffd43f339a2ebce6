import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;

/**
 * broadcast sender: sends each line that you type to everyone.
 *
 * <pre>javac Sender.java and java Sender ADDRESS PORT</pre>
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
public class Sender {
    /** Stands where your code is missing. What it returns here, yours must give. */
    static <T> T gap(int number, String what, Object... uses) {
        System.err.println("gap " + number + " is open: " + what);
        System.exit(1);
        return null;
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 2) {
            System.err.println("usage: java Sender ADDRESS PORT");
            System.exit(2);
        }
        InetAddress address = InetAddress.getByName(args[0]); // such as 192.168.1.255, or 255.255.255.255
        int port = Integer.parseInt(args[1]);

        DatagramSocket socket = gap(1, "a DatagramSocket that may send broadcasts (setBroadcast)");

        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) {
            byte[] message = line.getBytes(StandardCharsets.UTF_8);
            gap(2, "send the message to the broadcast address", socket, message, address, port);
        }
    }
}
